package nagios_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tocsin/test/nagios"
)

func TestNagiosRunsTheCommand(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	told := filepath.Join(dir, "told")
	n, err := nagios.Start(ctx, nagios.Config{
		Dir: dir, Contacts: []string{"anna"}, Hosts: []string{"web01"}, Services: []nagios.Service{{Host: "web01", Name: "HTTP Check"}},
		HostCommand:    "/bin/echo host $NOTIFICATIONTYPE$ >> " + told,
		ServiceCommand: "/bin/echo $NOTIFICATIONTYPE$ $SERVICESTATE$ $CONTACTNAME$ >> " + told,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	begin := time.Now()
	if err := n.Service("web01", "HTTP Check", 2, "CRITICAL - no answer"); err != nil {
		t.Fatal(err)
	}
	if err := n.UntilLogged(ctx, "SERVICE NOTIFICATION: anna;web01;HTTP Check;CRITICAL;notify-service;CRITICAL - no answer", 1); err != nil {
		t.Fatal(err)
	}
	t.Logf("notified after %v", time.Since(begin))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if b, _ := os.ReadFile(told); string(b) == "PROBLEM CRITICAL anna\n" {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the command was not run", n.Log())
		}
	}
	t.Logf("command ran after %v", time.Since(begin))
}

func TestNagiosKeepsWhatItKnows(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n, err := nagios.Start(ctx, nagios.Config{
		Dir: t.TempDir(), Contacts: []string{"anna"}, Hosts: []string{"web01"}, Services: []nagios.Service{{Host: "web01", Name: "HTTP Check"}},
		HostCommand: "/bin/true", ServiceCommand: "/bin/true",
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { n.Stop() }()
	if err := n.Service("web01", "HTTP Check", 2, "CRITICAL - no answer"); err != nil {
		t.Fatal(err)
	}
	if err := n.UntilLogged(ctx, "SERVICE NOTIFICATION: anna;web01;HTTP Check;CRITICAL", 1); err != nil {
		t.Fatal(err)
	}
	if err := n.End(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n.Command("DISABLE_NOTIFICATIONS"); err == nil {
		t.Error("a Nagios that has ended takes a command")
	}
	if err := n.Again(ctx); err != nil {
		t.Fatal(err)
	}
	if err := n.Command("ACKNOWLEDGE_SVC_PROBLEM", "web01", "HTTP Check", "2", "1", "1", "anna", "On it"); err != nil {
		t.Fatal(err)
	}
	if err := n.UntilLogged(ctx, "ACKNOWLEDGEMENT (CRITICAL)", 1); err != nil {
		t.Error(err)
	}
}
