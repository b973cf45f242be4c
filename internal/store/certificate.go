package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tocsin/internal/audit"
	"tocsin/internal/cert"
	"tocsin/internal/fault"
)

func (db *DB) scanCertificate(s scanner) (k cert.Kept, err error) {
	var since, until, asked, next, problemAt int64
	if err := s.Scan(&k.Name, &k.Chain, &k.Key, &since, &until, &asked, &k.Tries, &next, &k.Problem, &k.Mend, &problemAt); err != nil {
		return k, err
	}
	k.Asked = asked > 0
	k.Since, k.Until, k.Next, k.ProblemAt = fromMillis(since), fromMillis(until), fromMillis(next), fromMillis(problemAt)
	return k, db.open(certificateKey, k.Name, k.Key, &k.Key)
}

// Certificates lists what is kept, private keys included.
func (db *DB) Certificates(ctx context.Context) ([]cert.Kept, error) {
	list, err := collect(ctx, db.reads, db.scanCertificate,
		"SELECT name, chain, private_key, since, until, asked, tries, next, problem, mend, problem_at FROM certificate ORDER BY name")
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	return list, nil
}

// TakeCertificate gives the order of a name to one node, until a moment: of several
// that ask at once one gets it. False while another has it, and before the pause
// after a failure is over.
func (db *DB) TakeCertificate(ctx context.Context, name, node string, now, until time.Time) (taken bool, err error) {
	err = db.write(ctx, func(ctx context.Context, w *work) error {
		n, err := w.exec(ctx, `INSERT INTO certificate (name, node, busy) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE
			SET node = excluded.node, busy = excluded.busy WHERE certificate.busy <= $4 AND certificate.next <= $4`,
			name, node, millis(until), millis(now))
		taken = n > 0
		return err
	})
	if err != nil {
		return false, fmt.Errorf("take the order of the certificate of %s: %w", name, err)
	}
	return taken, nil
}

// SaveCertificate keeps a new certificate, forgets what went wrong, and gives its
// order back.
func (db *DB) SaveCertificate(ctx context.Context, k cert.Kept) error {
	sealed, err := db.sealed(k.Name, certificateKey, k.Key)
	if err != nil {
		return err
	}
	return db.plain(ctx, "save the certificate of "+k.Name, `INSERT INTO certificate (name, chain, private_key, since, until) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (name) DO UPDATE SET chain = excluded.chain, private_key = excluded.private_key, since = excluded.since, until = excluded.until,
		node = '', busy = 0, asked = 0, tries = 0, next = 0, problem = '', mend = '', problem_at = 0`,
		k.Name, k.Chain, sealed[0], millis(k.Since), millis(k.Until))
}

// NoteCertificate keeps what went wrong with an order, and gives it back.
func (db *DB) NoteCertificate(ctx context.Context, k cert.Kept) error {
	return db.plain(ctx, "note the certificate of "+k.Name, `UPDATE certificate SET busy = 0, node = '', tries = $2, next = $3, problem = $4, mend = $5, problem_at = $6
		WHERE name = $1`, k.Name, k.Tries, millis(k.Next), cleaned(k.Problem, mostDetail), cleaned(k.Mend, mostDetail), millis(k.ProblemAt))
}

// RenewCertificate has a certificate ordered anew at once, whatever pause there was;
// fault.ErrNotFound if there is no such name.
func (db *DB) RenewCertificate(ctx context.Context, name string, now time.Time) error {
	return db.write(ctx, func(ctx context.Context, w *work) error {
		n, err := w.exec(ctx, "UPDATE certificate SET asked = $2, next = 0 WHERE name = $1", name, millis(now))
		if err != nil {
			return fmt.Errorf("have the certificate of %s renewed: %w", name, err)
		}
		if n == 0 {
			return notFound("certificate", name)
		}
		return w.record(ctx, audit.Entry{Action: "certificate.asked", Subject: audit.Subject{Kind: "certificate", ID: name, Name: name}, Note: "A new one is ordered at once."})
	})
}

// ACMEAccount answers the private key of the account at a CA, PEM; the first that is
// given stays, whoever else gives one. With an empty one it is only read, and empty
// where there is none.
func (db *DB) ACMEAccount(ctx context.Context, directory, key string) (string, error) {
	const query = "SELECT private_key FROM acme_account WHERE directory = $1"
	had, err := one(ctx, db.reads, scanText, query, directory)
	if errors.Is(err, sql.ErrNoRows) {
		if key == "" {
			return "", nil
		}
		sealed, err := db.sealed(directory, acmeKey, key)
		if err != nil {
			return "", err
		}
		err = db.write(ctx, func(ctx context.Context, w *work) (err error) {
			if _, err = w.exec(ctx, "INSERT INTO acme_account (directory, private_key) VALUES ($1, $2) ON CONFLICT (directory) DO NOTHING", directory, sealed[0]); err == nil {
				had, err = one(ctx, w, scanText, query, directory)
			}
			return err
		})
		if err != nil {
			return "", fmt.Errorf("keep the account at the CA: %w", err)
		}
	} else if err != nil {
		return "", fmt.Errorf("read the account at the CA: %w", err)
	}
	return had, db.open(acmeKey, directory, had, &had)
}

// SaveChallenge keeps what a CA will ask for until it expires, and forgets what has.
func (db *DB) SaveChallenge(ctx context.Context, c cert.Challenge) error {
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		if _, err := w.exec(ctx, "DELETE FROM acme_challenge WHERE expires < $1", millis(now)); err != nil {
			return err
		}
		_, err = w.exec(ctx, `INSERT INTO acme_challenge (token, name, answer, expires) VALUES ($1, $2, $3, $4)
			ON CONFLICT (token) DO UPDATE SET name = excluded.name, answer = excluded.answer, expires = excluded.expires`, c.Token, c.Name, c.Answer, millis(c.Expires))
		return err
	})
	if err != nil {
		return fmt.Errorf("save a challenge for %s: %w", c.Name, err)
	}
	return nil
}

// DropChallenge forgets a challenge.
func (db *DB) DropChallenge(ctx context.Context, token string) error {
	return db.plain(ctx, "drop a challenge", "DELETE FROM acme_challenge WHERE token = $1", token)
}

// ChallengeByToken and ChallengeByName answer a challenge that has not expired,
// the newest; fault.ErrNotFound, which repeats nothing: anybody may ask.
func (db *DB) ChallengeByToken(ctx context.Context, token string, now time.Time) (cert.Challenge, error) {
	return db.challenge(ctx, "token = $1", token, now)
}

// ChallengeByName is ChallengeByToken by the host name.
func (db *DB) ChallengeByName(ctx context.Context, name string, now time.Time) (cert.Challenge, error) {
	return db.challenge(ctx, "name = $1", name, now)
}

func (db *DB) challenge(ctx context.Context, where, value string, now time.Time) (cert.Challenge, error) {
	c, err := one(ctx, db.reads, func(s scanner) (c cert.Challenge, err error) {
		var expires int64
		err = s.Scan(&c.Token, &c.Name, &c.Answer, &expires)
		c.Expires = fromMillis(expires)
		return c, err
	}, "SELECT token, name, answer, expires FROM acme_challenge WHERE "+where+" AND expires > $2 ORDER BY expires DESC LIMIT 1", value, millis(now))
	if errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("challenge: %w", fault.ErrNotFound)
	} else if err != nil {
		return c, fmt.Errorf("read a challenge: %w", err)
	}
	return c, nil
}
