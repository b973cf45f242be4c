package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"tocsin/internal/config"
	"tocsin/internal/doctor"
	"tocsin/internal/store"
	"tocsin/internal/writeback"
)

// Examination is what Examine looks at.
type Examination struct {
	Config config.Config
	Err    error    // what reading the configuration came to; nil: it can be used
	Files  []string // the files that it was read from
	Limits doctor.Limits
}

// patient looks at one installation with what the hub itself is made of. Nothing of it
// runs, and its database takes no changes.
type patient struct {
	*App
	sight store.Sight
}

// Examine looks at an installation, whether a hub serves it or none can, and changes
// nothing.
func Examine(ctx context.Context, e Examination) *doctor.Report {
	checks := []doctor.Check{
		doctor.Known("program", doctor.GroupProgram, "Program", doctor.Good("Tocsin %s, %s, %s/%s", Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)),
		doctor.Known("configuration", doctor.GroupProgram, "Configuration", configured(&e)),
	}
	checks = append(checks, doctor.Machine()...)
	if e.Err == nil {
		cfg := e.Config
		p := &patient{}
		var err error
		opening, cancel := context.WithTimeout(ctx, lookWithin)
		defer cancel()
		p.App = &App{cfg: cfg, log: slog.New(slog.DiscardHandler)}
		p.db, p.sight, err = store.Look(opening, store.Options{URL: cfg.DatabaseURL, DataDir: cfg.DataDir, Node: "doctor", Secrets: cfg.Secrets})
		checks = append(checks, doctor.Folder(cfg.DataDir, !cfg.Postgres())...)
		checks = append(checks,
			doctor.Known("database", doctor.GroupData, "Database", databaseVerdict(&cfg, &p.sight, err)),
			doctor.Known("schema", doctor.GroupData, "Schema", schemaVerdict(&p.sight, err)))
		site := doctor.Site{Listen: cfg.Listen, BaseURL: cfg.BaseURL, TLS: cfg.Encrypted()}
		checks = append(checks, around(&cfg)...)
		if err == nil {
			defer func() { _ = p.db.Close() }() // only read
		}
		if err == nil && usable(&p.sight) {
			p.equip()
			checks = append(checks, site.Checks()...)
			checks = append(checks, p.inside(ctx)...)
		} else {
			checks = append(checks, site.Checks()...)
			checks = append(checks, doctor.Known("rest", doctor.GroupChannels, "Sources and channels",
				doctor.Unseen("they are set up in the database, which cannot be used now")))
		}
	}
	r := doctor.Run(ctx, checks, e.Limits)
	r.Version = Version
	if r.Host, _ = os.Hostname(); r.Host == "" {
		r.Host = "this machine"
	}
	return r
}

// lookWithin is how long the database may take to answer.
const lookWithin = 5 * time.Second

// usable says whether this program can read what is in a database.
func usable(s *store.Sight) bool { return s.Schema >= s.Knows && s.Asks <= s.Knows }

// equip makes of the hub what the checks need.
func (p *patient) equip() {
	a := p.App
	a.links = &links{db: a.db}
	a.push = &webPush{db: a.db, cfg: a.cfg, log: a.log}
	a.push.settings = kept[config.Settings]{version: a.db.ConfigVersion, read: a.db.Settings}
	a.chat = newChat(a)
	a.engines = &engines{links: a.links, counts: map[[2]string]int64{}, Writer: writeback.New(writeback.Options{
		Store: a.db, Kinds: WriteBacks(), Version: a.db.ConfigVersion, Proxy: a.push.proxy, Log: a.log,
	})}
}

// configured says whether the configuration can be used, and who may read it.
func configured(e *Examination) doctor.Verdict {
	if e.Err != nil {
		return doctor.Bad("it cannot be used: "+e.Err.Error(), "mend that line; the hub does not start with it. docs/configuration.md has every key")
	}
	if err := e.Config.CheckPlain(); err != nil {
		return doctor.Bad("the hub does not start with it: "+err.Error(), "docs/https.md says what each of these is for")
	}
	for _, f := range e.Files {
		if v := doctor.Readable(f); v.Result != doctor.OK && e.Config.HasSecret() {
			return v
		}
	}
	switch len(e.Files) {
	case 0:
		return doctor.Good("read from the environment and the command line")
	case 1:
		return doctor.Good("read from %s and the environment", e.Files[0])
	}
	return doctor.Good("read from %s, %s and the environment", e.Files[0], fmt.Sprint(len(e.Files)-1)+" more")
}
