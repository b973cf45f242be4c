package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"syscall"
	"time"
)

// Groups of checks, in the order in which they are shown.
const (
	GroupProgram  = "Program and machine"
	GroupData     = "Data"
	GroupSite     = "Addresses and keys"
	GroupSources  = "Sources"
	GroupChannels = "Ways of telling people"
)

// Machine are the checks of what the program finds around it.
func Machine() []Check {
	return []Check{
		{ID: "clock", Group: GroupProgram, Title: "Clock", Look: func(context.Context) Verdict { return Clock(readClock()) }},
		{ID: "time-zones", Group: GroupProgram, Title: "Time zones", Look: func(context.Context) Verdict { return timeZones() }},
		{ID: "certificates", Group: GroupProgram, Title: "Certificate authorities", Look: func(context.Context) Verdict { return authorities() }},
		{ID: "file-limit", Group: GroupProgram, Title: "Open files", Look: func(context.Context) Verdict { return openFiles() }},
	}
}

// ClockState is what the kernel says of the machine's clock.
type ClockState struct {
	Known  bool
	Synced bool
	Off    time.Duration // how far it may be off at most, as the kernel reckons
}

func readClock() ClockState {
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t) // with no modes set it only reads
	if err != nil {
		return ClockState{}
	}
	const timeError = 5 // TIME_ERROR of adjtimex(2): not synchronised
	return ClockState{Known: true, Synced: state != timeError, Off: time.Duration(t.Maxerror) * time.Microsecond}
}

// Clock judges the machine's clock.
func Clock(s ClockState) Verdict {
	switch {
	case !s.Known:
		return Good("the kernel does not say whether it is set by NTP")
	case !s.Synced:
		return Worry("nothing sets this machine's clock", "install chrony or systemd-timesyncd; in a container, do so on its host: reminders, escalation and sign-in go by this clock")
	case s.Off > 10*time.Second:
		return Worry("it is set by NTP, and may still be off by "+s.Off.Round(time.Second).String(), "look whether the time servers can be reached: chronyc tracking, or timedatectl timesync-status")
	}
	return Good("it is set by NTP")
}

func timeZones() Verdict {
	for _, name := range []string{"Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata"} {
		if _, err := time.LoadLocation(name); err != nil {
			return Bad("the zone "+name+" is not known here", "install tzdata, or use the released program, which brings the zones with it: schedules and quiet hours need them")
		}
	}
	zone, _ := time.Now().Zone()
	return Good("known; this machine's own is %s", zone)
}

func authorities() Verdict {
	pool, err := x509.SystemCertPool()
	if err != nil || pool.Equal(x509.NewCertPool()) {
		return Bad("no certificate of an authority is known here, so no push service, Mattermost or webhook can be reached by https",
			"install ca-certificates, or set SSL_CERT_FILE to a file with them")
	}
	return Good("known, for calls by https")
}

// fewFiles is how many files must be open at once where some thousand tabs are.
const fewFiles = 8192

func openFiles() Verdict {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return Unseen("the limit cannot be read: " + err.Error())
	}
	return Files(l.Cur, l.Max)
}

// Files judges how many files a program started from here may open. Go raises the limit
// to the hard one by itself.
func Files(soft, hard uint64) Verdict {
	if most := max(soft, hard); most < fewFiles {
		return Worry(fmt.Sprintf("a program may open %d files, and each open tab takes one", most),
			"raise the hard limit to 65536: LimitNOFILE=65536 in the systemd unit, --ulimit nofile=65536 for a container")
	}
	return Good("a program may open %d", max(soft, hard))
}
