package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"tocsin/internal/config"
	"tocsin/internal/doctor"
	"tocsin/internal/health"
	"tocsin/internal/store"
)

// fewLeft is how many more connections PostgreSQL should take: a hub opens up to a
// dozen or two when much comes at once.
const fewLeft = 20

// databaseVerdict judges what opening the database came to.
func databaseVerdict(cfg *config.Config, s *store.Sight, err error) doctor.Verdict {
	switch {
	case errors.Is(err, store.ErrUnfinished):
		return doctor.Worry(s.Where+" was being restored, and that was stopped when it was all but done", "start the hub, which goes on with it; or restore once more with --force")
	case errors.Is(err, store.ErrNone) && s.Engine == "sqlite":
		return doctor.Worry("there is none yet at "+s.Where, "start the hub once, which makes it; if there was one before, look whether its disk is mounted, and at TOCSIN_DATA")
	case errors.Is(err, store.ErrNone):
		return doctor.Worry(s.Where+" answers, and has no tables of Tocsin yet", "start the hub once, which makes them")
	case err != nil && cfg.Postgres():
		return postgresFault(s, err)
	case err != nil:
		return sqliteFault(s, err)
	case s.Engine == "sqlite":
		return doctor.Good("SQLite, %s, opened in %s", s.Where, health.Took(s.Took))
	}
	name := "PostgreSQL " + s.Server + ", " + s.Where
	switch {
	case s.Standby:
		return doctor.Bad(name+" follows another server and takes no changes", "write the address of the server that leads into TOCSIN_DATABASE_URL; target_session_attrs=read-write finds it among several hosts")
	case s.Offset.Abs() > 2*time.Second:
		return doctor.Worry(fmt.Sprintf("%s answers; its clock and this machine's differ by %s", name, health.Age(s.Offset.Abs())), "let both machines set their clocks by NTP")
	case s.Most > 0 && s.Most-s.Used < fewLeft:
		return doctor.Worry(fmt.Sprintf("%s answers; %d of its %d connections are in use", name, s.Used, s.Most), "raise max_connections there, or look who keeps so many open: SELECT usename, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2")
	case s.Took > 500*time.Millisecond:
		return doctor.Worry(fmt.Sprintf("%s answered after %s", name, health.Took(s.Took)), "look at the load of its machine, and at the network between")
	}
	return doctor.Good("%s, answered after %s", name, health.Took(s.Took))
}

func postgresFault(s *store.Sight, err error) doctor.Verdict {
	where := s.Where
	if where == "" {
		where = "PostgreSQL"
	}
	bad := func(what, mend string) doctor.Verdict { return doctor.Bad(where+": "+what, mend) }
	var pe *pgconn.PgError
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	if errors.As(err, &pe) {
		switch pe.Code {
		case "28P01":
			return bad("the password is wrong", "compare the password in TOCSIN_DATABASE_URL, with special characters as %XX; ALTER ROLE … PASSWORD sets a new one")
		case "28000":
			return bad("this user is not let in: "+pe.Message, "make the role, or add a line for it and this machine to pg_hba.conf, and reload PostgreSQL")
		case "3D000":
			return bad("there is no such database", "make it: CREATE DATABASE … OWNER …; or correct the name at the end of TOCSIN_DATABASE_URL")
		case "53300":
			return bad("all of its connections are in use", "raise max_connections there, or look who keeps so many open")
		case "57P03":
			return bad("it is starting or shutting down", "wait a moment; its log says how far it is")
		case "42501":
			return bad("this user may not read the tables: "+pe.Message, "give them to the user: ALTER DATABASE … OWNER TO …, GRANT ALL ON ALL TABLES IN SCHEMA public TO …")
		}
		return bad(pe.Message+" ("+pe.Code+")", "look at PostgreSQL's log")
	}
	switch {
	case errors.As(err, &dns):
		return bad("the name of its machine cannot be found", "look at the host in TOCSIN_DATABASE_URL, and at /etc/resolv.conf")
	case errors.Is(err, syscall.ECONNREFUSED):
		return bad("nothing listens there", "start PostgreSQL: systemctl start postgresql; look at host and port in TOCSIN_DATABASE_URL, and at listen_addresses in postgresql.conf")
	case errors.Is(err, fs.ErrNotExist):
		return bad("its socket is not there", "start PostgreSQL: systemctl start postgresql")
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return bad("it does not answer in time", "look whether its machine runs and at the firewall between")
	case strings.Contains(err.Error(), "refused TLS"):
		return bad("it speaks no TLS, and the URL asks for it", "switch on ssl in postgresql.conf, or write sslmode=prefer into TOCSIN_DATABASE_URL")
	}
	return bad("it cannot be used: "+err.Error(), "look at TOCSIN_DATABASE_URL, and at PostgreSQL's log")
}

func sqliteFault(s *store.Sight, err error) doctor.Verdict {
	var le *sqlite.Error
	errors.As(err, &le)
	code := 0
	if le != nil {
		code = le.Code() & 0xff
	}
	switch {
	case errors.Is(syscall.Access(folderOf(s.Where), 2), syscall.EROFS): // 2: whether it may be written to
		return doctor.Bad(s.Where+" is on a file system that cannot be written to", "mount it for writing: a disk with errors is mounted read-only by the kernel, and dmesg says so; under systemd, name the folder in ReadWritePaths=")
	case errors.Is(err, context.DeadlineExceeded):
		return doctor.Bad(s.Where+" does not answer in time", "look at the load of this machine and of its disk, and whether a program keeps the file locked: fuser "+s.Where)
	case errors.Is(err, fs.ErrPermission), code == sqlite3.SQLITE_CANTOPEN, code == sqlite3.SQLITE_READONLY, code == sqlite3.SQLITE_PERM:
		return doctor.Bad(s.Where+" cannot be opened by this user", "run this as the user of the hub: sudo -u tocsin tocsin doctor; and give the file to that user: chown -R tocsin: "+folderOf(s.Where))
	case code == sqlite3.SQLITE_NOTADB, code == sqlite3.SQLITE_CORRUPT:
		return doctor.Bad(s.Where+" is damaged, or no database", "stop the hub, keep a copy of the folder, and restore the last backup (docs/backup.md)")
	case code == sqlite3.SQLITE_BUSY, code == sqlite3.SQLITE_LOCKED:
		return doctor.Bad(s.Where+" is locked by another program", "fuser "+s.Where+" says which one; on a network file system SQLite cannot be used")
	case code == sqlite3.SQLITE_IOERR, code == sqlite3.SQLITE_FULL:
		return doctor.Bad(s.Where+" cannot be read: "+err.Error(), "look at the disk: dmesg, df -h")
	}
	return doctor.Bad(s.Where+" cannot be used: "+err.Error(), "look at the disk, and at the owner of the file")
}

func folderOf(path string) string {
	if i := strings.LastIndexByte(path, os.PathSeparator); i > 0 {
		return path[:i]
	}
	return path
}

// schemaVerdict judges whether this program and the database belong together.
func schemaVerdict(s *store.Sight, err error) doctor.Verdict {
	switch {
	case err != nil:
		return doctor.Unseen("the database cannot be read now")
	case s.Asks > s.Knows:
		return doctor.Bad(fmt.Sprintf("a newer version of Tocsin made the database: its schema is %d, this program knows %d", s.Schema, s.Knows),
			"run the newer version again, or restore a backup made before it (docs/backup.md)")
	case s.Schema > s.Knows:
		return doctor.Good("version %d, which a newer program made; this one may go on to use it", s.Schema)
	case s.Schema < s.Knows:
		return doctor.Worry(fmt.Sprintf("version %d, and this program brings %d", s.Schema, s.Knows), "make a backup, then start this version of the hub: it brings the database up to date")
	}
	return doctor.Good("version %d, as this program has it", s.Schema)
}
