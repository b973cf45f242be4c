package packages_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"tocsin/test/port"
)

// inside runs a command of the program as the container does: in its root folder, as its
// user. Nobody but root may do that: anybody else runs it beside the folder.
func inside(ctx context.Context, root string, env []string, args ...string) *exec.Cmd {
	data := "/var/lib/tocsin"
	cmd := exec.CommandContext(ctx, "/tocsin", args...)
	if os.Geteuid() == 0 {
		cmd.Dir = data
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	} else {
		data = filepath.Join(root, data)
		cmd = exec.CommandContext(ctx, filepath.Join(root, "tocsin"), args...)
		cmd.Dir = data
	}
	cmd.Env = append([]string{"TOCSIN_DATA=" + data}, env...)
	return cmd
}

func TestTheContainersRoot(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "root")
	must(t, command(t.Context(), "../..", "deploy/container/rootfs", program(), root))
	// Go's folders for tests let nobody else in; a container's root lets its user.
	for dir := filepath.Dir(root); strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	listen, err := port.Address()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"TOCSIN_LISTEN=" + listen}
	var log bytes.Buffer
	hub := inside(t.Context(), root, env, "serve")
	hub.Stderr = &log
	if err := hub.Start(); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	ready := func() bool {
		resp, err := client.Get("http://" + listen + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode == http.StatusOK
	}
	tick, end := time.NewTicker(50*time.Millisecond), time.After(30*time.Second)
	defer tick.Stop()
	for !ready() {
		select {
		case <-end:
			_ = hub.Process.Kill()
			_ = hub.Wait()
			t.Fatalf("it is not ready:\n%s", log.String())
		case <-tick.C:
		}
	}
	doctor := inside(t.Context(), root, env, "doctor", "--json")
	out, _ := doctor.Output() // its exit code says that nobody can sign in yet
	var r struct {
		Checks []struct{ ID, Result, Detail string }
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	well := []string{"configuration", "time-zones", "certificates", "folder", "database", "schema", "hub"}
	for _, c := range r.Checks {
		if i := slices.Index(well, c.ID); i >= 0 {
			well = slices.Delete(well, i, i+1)
			if c.Result != "ok" {
				t.Errorf("%s: %s", c.ID, c.Detail)
			}
		}
	}
	if len(well) > 0 {
		t.Errorf("the doctor says nothing of %v", well)
	}
	if err := hub.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := hub.Wait(); err != nil {
		t.Errorf("it ends with %v:\n%s", err, log.String())
	}
}

// manifest is what the tests look at in a document of Kubernetes.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		Replicas int
		Template struct {
			Spec struct {
				SecurityContext struct {
					RunAsNonRoot bool `yaml:"runAsNonRoot"`
					RunAsUser    int  `yaml:"runAsUser"`
				} `yaml:"securityContext"`
				Grace      int `yaml:"terminationGracePeriodSeconds"`
				Containers []struct {
					SecurityContext struct {
						ReadOnly   bool `yaml:"readOnlyRootFilesystem"`
						Escalation bool `yaml:"allowPrivilegeEscalation"`
					} `yaml:"securityContext"`
					Readiness map[string]any          `yaml:"readinessProbe"`
					Liveness  map[string]any          `yaml:"livenessProbe"`
					Mounts    []struct{ Name string } `yaml:"volumeMounts"`
				}
				Volumes []struct{ Name string }
			}
		}
		Claims []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
	}
	Data map[string]string
}

func TestKubernetes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"sqlite":   {"ConfigMap", "Service", "StatefulSet", "NetworkPolicy", "Ingress"},
		"postgres": {"ConfigMap", "Secret", "Service", "Deployment", "PodDisruptionBudget", "NetworkPolicy", "Ingress"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("../../deploy/kubernetes/" + name + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			docs := yaml.NewDecoder(bytes.NewReader(text))
			for {
				var m manifest
				if err := docs.Decode(&m); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				kinds = append(kinds, m.Kind)
				if m.Kind == "ConfigMap" {
					configured(t, m.Data)
				}
				if m.Kind != "StatefulSet" && m.Kind != "Deployment" {
					continue
				}
				pod := m.Spec.Template.Spec
				if !pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.RunAsUser != 65532 || pod.Grace < 30 || len(pod.Containers) != 1 {
					t.Errorf("the pod is %+v", pod)
				}
				if (m.Spec.Replicas > 1) != (m.Kind == "Deployment") {
					t.Errorf("%d of them", m.Spec.Replicas)
				}
				var volumes []string
				for _, v := range pod.Volumes {
					volumes = append(volumes, v.Name)
				}
				for _, c := range m.Spec.Claims {
					volumes = append(volumes, c.Metadata.Name)
				}
				for _, c := range pod.Containers {
					if !c.SecurityContext.ReadOnly || c.SecurityContext.Escalation || c.Readiness == nil || c.Liveness == nil {
						t.Errorf("the container is %+v", c)
					}
					for _, v := range c.Mounts {
						if !slices.Contains(volumes, v.Name) {
							t.Errorf("there is no volume %s", v.Name)
						}
					}
				}
			}
			for _, k := range want {
				if !slices.Contains(kinds, k) {
					t.Errorf("there is no %s", k)
				}
			}
		})
	}
}

// configured lets the program read a configuration: it refuses keys that there are not.
func configured(t *testing.T, data map[string]string) {
	t.Helper()
	var env []string
	for k, v := range data {
		if !strings.HasSuffix(k, "_FILE") && k != "TOCSIN_DATA" {
			env = append(env, k+"="+v)
		}
	}
	cmd := exec.CommandContext(t.Context(), program(), "user", "list", "--data", t.TempDir())
	cmd.Env = env
	must(t, cmd)
}
