// Package nagios runs Debian's Nagios Core in a folder of its own, with a
// small configuration: hosts and services whose state the test says, contacts
// whose notification command is the one under test.
package nagios

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tocsin/test/await"
)

// Service is one service on a host.
type Service struct{ Host, Name string }

// Config says what Nagios watches and whom it tells.
type Config struct {
	Dir      string    // of its own, empty
	Contacts []string  // all of them are told of everything
	Hosts    []string  // in the state up at first
	Services []Service // in the state ok at first
	// Command is the command line for hosts and for services, with Nagios'
	// macros in it.
	HostCommand, ServiceCommand string
	Env                         []string // for Nagios, and so for the commands
}

// Nagios is a running one.
type Nagios struct {
	c      Config
	cmd    *exec.Cmd
	exited chan struct{}
	out    bytes.Buffer
}

const exe = "/usr/sbin/nagios4"

// Start writes the configuration, starts Nagios and waits until it takes
// commands.
func Start(ctx context.Context, c Config) (*Nagios, error) {
	n := &Nagios{c: c}
	if err := n.configure(); err != nil {
		return nil, err
	}
	if err := n.Again(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// Again starts a Nagios that was ended, with what it kept, and waits until it
// takes commands.
func (n *Nagios) Again(ctx context.Context) error {
	n.exited = make(chan struct{})
	launched := strings.Count(n.Log(), launch)
	n.cmd = exec.Command(exe, n.path("nagios.cfg"))
	n.cmd.Env = append(os.Environ(), n.c.Env...)
	n.cmd.Dir = n.c.Dir
	n.cmd.Stdout, n.cmd.Stderr = &n.out, &n.out
	// Its workers and the commands they run are in its group.
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := n.cmd.Start(); err != nil {
		return fmt.Errorf("start nagios: %w", err)
	}
	go func(cmd *exec.Cmd, exited chan struct{}) { _ = cmd.Wait(); close(exited) }(n.cmd, n.exited)
	if err := n.until(ctx, func() bool {
		// The pipe takes no writer before Nagios reads from it.
		f, err := os.OpenFile(n.path("nagios.cmd"), os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return false
		}
		return f.Close() == nil && strings.Count(n.Log(), launch) > launched
	}); err != nil {
		n.Stop()
		return fmt.Errorf("nagios takes no commands: %w: %s%s", err, n.out.String(), n.Log())
	}
	return nil
}

// launch is logged when the command file is read.
const launch = "Successfully launched command file worker"

// CommandFile and StatusFile are its settings of these names.
func (n *Nagios) CommandFile() string { return n.path("nagios.cmd") }

// StatusFile is where it writes its status.dat, every second.
func (n *Nagios) StatusFile() string { return n.path("status.dat") }

// End ends Nagios as `kill` does, so that it keeps what it knows for Again, and
// waits until nobody reads its command file any more.
func (n *Nagios) End(ctx context.Context) error {
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("end nagios: %w", err)
	}
	select {
	case <-n.exited:
	case <-ctx.Done():
		return fmt.Errorf("end nagios: %w", ctx.Err())
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		f, err := os.OpenFile(n.CommandFile(), os.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return nil // the worker that reads it has noticed
		}
		_ = f.Close()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("nagios' command file is still read: %w", ctx.Err())
		}
	}
}

func (n *Nagios) path(name string) string { return filepath.Join(n.c.Dir, name) }

// until looks again and again: Nagios has no event for what it did but its log.
func (n *Nagios) until(ctx context.Context, ok func() bool) error {
	return await.Until(ctx, n.exited, ok)
}

// Log is Nagios' log file.
func (n *Nagios) Log() string {
	b, _ := os.ReadFile(n.path("nagios.log")) // there is none before it starts to log
	return string(b)
}

// Stop ends Nagios and everything it started.
func (n *Nagios) Stop() {
	_ = syscall.Kill(-n.cmd.Process.Pid, syscall.SIGKILL)
	<-n.exited
}

// Command gives Nagios one external command: its name and fields, without the
// time.
func (n *Nagios) Command(fields ...string) error {
	line := fmt.Sprintf("[%d] %s\n", time.Now().Unix(), strings.Join(fields, ";"))
	f, err := os.OpenFile(n.path("nagios.cmd"), os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("command of nagios: %w", err)
	}
	if _, err := f.WriteString(line); err != nil {
		_ = f.Close()
		return fmt.Errorf("command of nagios: %w", err)
	}
	return f.Close()
}

// Service says the state of a service (0 to 3) and its output, as a check
// would.
func (n *Nagios) Service(host, name string, state int, output string) error {
	return n.Command("PROCESS_SERVICE_CHECK_RESULT", host, name, fmt.Sprint(state), output)
}

// Host says the state of a host (0 up, 1 down) and its output.
func (n *Nagios) Host(host string, state int, output string) error {
	return n.Command("PROCESS_HOST_CHECK_RESULT", host, fmt.Sprint(state), output)
}

// UntilLogged waits until the log has the text at least that many times.
func (n *Nagios) UntilLogged(ctx context.Context, text string, times int) error {
	if err := n.until(ctx, func() bool { return strings.Count(n.Log(), text) >= times }); err != nil {
		return fmt.Errorf("nagios did not log %q %d times: %w\n%s", text, times, err, n.Log())
	}
	return nil
}

func (n *Nagios) configure() error {
	me, err := user.Current()
	if err != nil {
		return fmt.Errorf("nagios' user: %w", err)
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		return fmt.Errorf("nagios' group: %w", err)
	}
	if err := os.MkdirAll(n.path("checkresults"), 0o700); err != nil {
		return fmt.Errorf("nagios' folder: %w", err)
	}
	main := strings.NewReplacer("DIR", n.c.Dir, "USER", me.Username, "GROUP", group.Name).Replace(mainConfig)
	if err := os.WriteFile(n.path("nagios.cfg"), []byte(main), 0o600); err != nil {
		return fmt.Errorf("nagios.cfg: %w", err)
	}
	if err := os.WriteFile(n.path("objects.cfg"), []byte(n.objects()), 0o600); err != nil {
		return fmt.Errorf("objects.cfg: %w", err)
	}
	return nil
}

// mainConfig makes one unit of time a second, logs into the folder, and leaves
// all checks to the test.
const mainConfig = `log_file=DIR/nagios.log
cfg_file=DIR/objects.cfg
object_cache_file=DIR/objects.cache
precached_object_file=DIR/objects.precache
status_file=DIR/status.dat
status_update_interval=1
state_retention_file=DIR/retention.dat
retain_state_information=1
use_retained_program_state=1
lock_file=DIR/nagios.lock
temp_file=DIR/nagios.tmp
temp_path=DIR
log_archive_path=DIR
check_result_path=DIR/checkresults
command_file=DIR/nagios.cmd
query_socket=DIR/nagios.qh
nagios_user=USER
nagios_group=GROUP
check_external_commands=1
use_syslog=0
log_rotation_method=n
interval_length=1
check_workers=2
event_broker_options=0
execute_service_checks=0
execute_host_checks=0
accept_passive_service_checks=1
accept_passive_host_checks=1
enable_notifications=1
log_notifications=1
log_external_commands=1
log_passive_checks=1
notification_timeout=30
illegal_macro_output_chars=` + "`~$&|'\"<>" + `
daemon_dumps_core=0
date_format=iso8601
`

func (n *Nagios) objects() string {
	var b strings.Builder
	define := func(kind string, fields ...string) {
		fmt.Fprintf(&b, "define %s {\n", kind)
		for i := 0; i < len(fields); i += 2 {
			fmt.Fprintf(&b, "  %-32s %s\n", fields[i], fields[i+1])
		}
		b.WriteString("}\n")
	}
	define("timeperiod", "timeperiod_name", "always", "alias", "always",
		"sunday", "00:00-24:00", "monday", "00:00-24:00", "tuesday", "00:00-24:00", "wednesday", "00:00-24:00",
		"thursday", "00:00-24:00", "friday", "00:00-24:00", "saturday", "00:00-24:00")
	define("command", "command_name", "notify-host", "command_line", n.c.HostCommand)
	define("command", "command_name", "notify-service", "command_line", n.c.ServiceCommand)
	define("command", "command_name", "never", "command_line", "/bin/false")
	for _, c := range n.c.Contacts {
		define("contact", "contact_name", c,
			"host_notification_period", "always", "service_notification_period", "always",
			"host_notification_options", "d,u,r,f,s", "service_notification_options", "w,u,c,r,f,s",
			"host_notification_commands", "notify-host", "service_notification_commands", "notify-service")
	}
	told := strings.Join(n.c.Contacts, ",")
	for _, h := range n.c.Hosts {
		define("host", "host_name", h, "alias", "The host "+h, "address", "127.0.0.1", "check_command", "never",
			"max_check_attempts", "1", "active_checks_enabled", "0", "passive_checks_enabled", "1", "check_period", "always",
			"notification_period", "always", "notification_interval", "0", "notification_options", "d,u,r,f,s", "contacts", told)
	}
	for _, s := range n.c.Services {
		define("service", "host_name", s.Host, "service_description", s.Name, "check_command", "never",
			"max_check_attempts", "1", "active_checks_enabled", "0", "passive_checks_enabled", "1", "check_period", "always",
			"check_interval", "60", "retry_interval", "60",
			"notification_period", "always", "notification_interval", "0", "notification_options", "w,u,c,r,f,s", "contacts", told)
	}
	return b.String()
}
