package alertmanager_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/internal/source"
	"tocsin/internal/source/alertmanager"
)

func TestAlertmanagerTakesThePastedReceiver(t *testing.T) {
	checked := 0
	for _, s := range alertmanager.New().Snippets(source.Setup{BaseURL: "https://tocsin.example.com", Source: "prom-1", Token: "ts_secret"}) {
		if s.Where != "alertmanager.yml" {
			continue
		}
		checked++
		file := filepath.Join(t.TempDir(), s.Where)
		if err := os.WriteFile(file, []byte(s.Text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.CommandContext(t.Context(), "amtool", "check-config", file).CombinedOutput(); err != nil || !strings.Contains(string(out), "1 receivers") {
			t.Errorf("%v: %s", err, out)
		}
	}
	if checked != 1 {
		t.Errorf("%d snippets are for alertmanager.yml", checked)
	}
}
