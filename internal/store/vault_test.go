package store_test

import (
	"bytes"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/chat"
	hooks "tocsin/internal/hook"
	"tocsin/internal/mail"
	"tocsin/internal/push"
	"tocsin/internal/source"
	"tocsin/internal/store"
	"tocsin/internal/vault"
	people "tocsin/internal/visitor"
)

// root is this package's folder.
func root(t *testing.T) fs.FS {
	t.Helper()
	return os.DirFS(".")
}

// known are the secrets of fill, as they were given.
const known = "a-secret-that-is-known"

// fill saves a secret wherever there is a place for one.
func fill(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	ok(t, db.SaveSource(ctx, source.Source{ID: "s1", Name: "icinga", Kind: "icinga2", TokenHash: "hash", Secret: known + "-1", WriteBack: source.WriteBack{Kind: "icinga2", Secret: known + "-2"}}))
	ok(t, db.SaveHook(ctx, hooks.Hook{ID: "h1", Name: "pager", Form: hooks.JSON, URL: "https://x.example/" + known + "-3", Secret: known + "-4", Token: known + "-5"}))
	ok(t, db.SaveRoom(ctx, chat.Room{ID: "r1", Name: "ops", Kind: chat.Webhook, WebhookURL: "https://chat.example/hooks/" + known + "-6"}))
	ok(t, db.SaveChatSettings(ctx, chat.Settings{Enabled: true, BotToken: known + "-7"}))
	ok(t, db.SaveMailSettings(ctx, mail.Settings{Host: "mail.example", Password: known + "-8"}))
	ok(t, db.SavePushKey(ctx, push.Key{ID: "k1", Public: "public", Private: known + "-9"}))
	_, err := db.Secret(ctx, "sessions")
	ok(t, err)
	savePage(t, db, publicPage("main"))
	ok(t, db.Subscribe(ctx, people.Subscriber{PageID: "main", Channel: people.Webhook, Address: "https://v.example/" + known + "-10", Secret: []byte(known + "-11")}))
}

// reads looks whether all that fill saved is read as it was given.
func reads(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	s, err := db.SourceByID(ctx, "s1")
	ok(t, err)
	h, err := db.Hook(ctx, "h1")
	ok(t, err)
	r, err := db.Room(ctx, "r1")
	ok(t, err)
	c, err := db.ChatSettings(ctx)
	ok(t, err)
	m, err := db.MailSettings(ctx)
	ok(t, err)
	k, err := db.PushKeys(ctx)
	ok(t, err)
	once, err := db.Secret(ctx, "sessions")
	ok(t, err)
	again, err := db.Secret(ctx, "sessions")
	ok(t, err)
	same(t, "a shared secret", len(once) == 32 && bytes.Equal(once, again), true)
	got := strings.Join([]string{s.Secret, s.WriteBack.Secret, h.URL, h.Secret, h.Token, r.WebhookURL, c.BotToken, m.Password, k[0].Private}, " ")
	want := known + "-1 " + known + "-2 https://x.example/" + known + "-3 " + known + "-4 " + known + "-5 https://chat.example/hooks/" + known + "-6 " + known + "-7 " + known + "-8 " + known + "-9"
	same(t, "secrets", got, want)
	_, err = db.Directory(ctx)
	ok(t, err)
}

// openWith opens a database with a key.
func openWith(t *testing.T, url string, from vault.Source) (*store.DB, error) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: url, Node: "test", Secrets: from})
	if err == nil {
		t.Cleanup(func() { ok(t, db.Close()) })
	}
	return db, err
}

// hexed are bytes within the text of a row of PostgreSQL's.
var hexed = regexp.MustCompile(`\\\\x([0-9a-f]+)`)

// dumped is all text of a database: of SQLite the bytes of its files, of PostgreSQL
// every value of every table.
func dumped(t *testing.T, e engine, url string) string {
	t.Helper()
	if e.name == "sqlite" {
		var all []byte
		files, err := filepath.Glob(strings.TrimPrefix(url, "sqlite:") + "*")
		ok(t, err)
		for _, f := range files {
			b, err := os.ReadFile(f)
			ok(t, err)
			all = append(all, b...)
		}
		return string(all)
	}
	var all strings.Builder
	db := raw(t, url)
	for _, table := range texts(t, db, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'") {
		for _, row := range texts(t, db, "SELECT t::text FROM "+table+" t") {
			all.WriteString(row + "\n")
			for _, m := range hexed.FindAllStringSubmatch(row, -1) {
				plain, err := hex.DecodeString(m[1])
				ok(t, err)
				all.Write(append(plain, '\n'))
			}
		}
	}
	return all.String()
}

func TestNoSecretIsReadableInTheDatabase(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url := e.fresh(t)
			key := vault.Source{Text: vault.NewKey().Text()}
			db, err := openWith(t, url, key)
			ok(t, err)
			fill(t, db)
			reads(t, db)
			if text := dumped(t, e, url); strings.Contains(text, known) || !strings.Contains(text, "sealed:1:") {
				at := strings.Index(text, known)
				t.Errorf("a secret is readable: %q", text[max(0, at-100):min(len(text), max(0, at)+60)])
			}
			v, err := db.Vault(t.Context())
			ok(t, err)
			same(t, "sealed, and how many are not", fmt.Sprint(v.Sealed, v.Plain), "true 0")
		})
	}
}

func TestSecretsThatStandPlainAreSealedAtTheNextStart(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url := e.fresh(t)
			db, err := openWith(t, url, vault.Source{File: filepath.Join(t.TempDir(), "none")})
			ok(t, err)
			fill(t, db)
			reads(t, db)
			if !strings.Contains(dumped(t, e, url), known) {
				t.Fatal("without a key nothing is readable: the test sees nothing")
			}
			ok(t, db.Close())
			db, err = openWith(t, url, vault.Source{Text: vault.NewKey().Text()})
			ok(t, err)
			reads(t, db)
			if text := dumped(t, e, url); strings.Contains(text, known) {
				at := strings.Index(text, known)
				t.Errorf("a secret is still readable: %q", text[max(0, at-100):at+60])
			}
		})
	}
}

func TestTheKeyThatIsNeededIsAskedFor(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url, right := e.fresh(t), vault.NewKey()
			db, err := openWith(t, url, vault.Source{Text: right.Text()})
			ok(t, err)
			fill(t, db)
			file := filepath.Join(t.TempDir(), vault.FileName)
			for name, from := range map[string]vault.Source{"none": {File: file, Make: true}, "another": {Text: vault.NewKey().Text()}} {
				_, err := openWith(t, url, from)
				if err == nil || !strings.Contains(err.Error(), right.ID()) || !strings.Contains(err.Error(), "Nothing was changed") {
					t.Errorf("with %s key: %v", name, err)
				}
				if _, err := os.Stat(file); err == nil {
					t.Error("a key is made where another one is needed")
				}
			}
			reads(t, db)
		})
	}
}

func TestKeysAreRotatedWhileOthersServe(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url, key := e.fresh(t), vault.Source{Text: vault.NewKey().Text()}
			serving, err := openWith(t, url, key)
			ok(t, err)
			fill(t, serving)
			beside, err := openWith(t, url, key)
			ok(t, err)
			for range 2 {
				n, err := beside.RotateKey(t.Context())
				ok(t, err)
				if n < 10 {
					t.Errorf("%d were sealed anew", n)
				}
				reads(t, serving)
				ok(t, serving.SaveHook(t.Context(), hooks.Hook{ID: "h2", Name: "new", Form: hooks.JSON, URL: "https://y.example/" + known, Token: known}))
				reads(t, beside)
				_, err = beside.Hook(t.Context(), "h2")
				ok(t, err)
			}
			if strings.Contains(dumped(t, e, url), known) {
				t.Error("a secret is readable after keys were rotated")
			}
		})
	}
}

func TestTheKeyFromOutsideIsReplaced(t *testing.T) {
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			url, file := e.fresh(t), filepath.Join(t.TempDir(), vault.FileName)
			key := vault.Source{File: file, Make: true}
			serving, err := openWith(t, url, key)
			ok(t, err)
			fill(t, serving)
			before, err := os.ReadFile(file)
			ok(t, err)
			beside, err := openWith(t, url, key)
			ok(t, err)
			next := vault.NewKey()
			ok(t, beside.Rekey(t.Context(), next))
			reads(t, serving)
			_, err = beside.RotateKey(t.Context())
			ok(t, err)
			reads(t, serving) // which reads the new key in the file
			after, err := openWith(t, url, key)
			ok(t, err)
			reads(t, after)
			old := filepath.Join(t.TempDir(), "old")
			ok(t, os.WriteFile(old, before, 0o600))
			if _, err := openWith(t, url, vault.Source{File: old}); err == nil {
				t.Error("the former key still opens it")
			}
			// Stopped between the database and the file: the new key lies beside it.
			ok(t, os.Rename(file, file+".new"))
			ok(t, os.WriteFile(file, before, 0o600))
			mended, err := openWith(t, url, key)
			ok(t, err)
			reads(t, mended)
			k, _, err := vault.Source{File: file}.Read()
			ok(t, err)
			same(t, "the key in its file", k.ID(), next.ID())
		})
	}
}

// What the schema has that sounds of a secret is sealed, or a hash, or said here not to
// be one.
func TestEveryColumnThatMayHaveASecretIsKnown(t *testing.T) {
	plain := map[string]string{
		"api_key.hash": "a hash", "source.token_hash": "a hash", "source.token_hint": "the last four characters", "users.password_hash": "argon2id", "page.password_hash": "argon2id",
		"session.token": "a hash", "event_call.call_key": "names a call", "users.name_key": "a name", "api_key.name_key": "a name", "source.name_key": "a name",
		"push_subscription.key_id": "an id", "push_subscription.keys": "of a device; nobody but who has our private key may use it", "push_key.public": "public",
		"push_key.id": "made of the public key", "used_token.nonce": "of no use any more", "chat_room.name_key": "a name", "chat_button.hash": "a hash", "chat_link.hash": "a hash",
		"ack_link.hash": "a hash", "page_template.name_key": "a name", "visitor.address_key": "a hash", "schedule.name_key": "a name", "policy.name_key": "a name",
		"maintenance_window.name_key": "a name", "hook.name_key": "a name", "vault_key.sealed": "a key that the key from outside seals", "vault_key.id": "an id", "vault_key.outer_id": "an id",
		"acme_challenge.token": "public: the CA asks for it by plain HTTP", "chat_post.hash": "of a post's text", "chat_post.nonce": "marks a post as ours",
		"passkey.credential": "public: the id that the browser is asked for", "push_subscription.endpoint_hash": "a hash",
		"secret.name": "a name", "passkey.name_key": "a name", "certificate.name": "a name", "recovery_code.hash": "a hash", "auth_step.hash": "a hash",
		"sign_in_step.hash": "a hash", "identity_step.hash": "a hash", "setting.value": "settings; what is secret of them is in secret.value",
	}
	for _, c := range store.SealedColumns() {
		plain[c] = "sealed"
	}
	url := engines()[0].fresh(t)
	openURL(t, url)
	db, err := sql.Open("sqlite", strings.TrimPrefix(url, "sqlite:"))
	ok(t, err)
	defer db.Close()
	sounds := regexp.MustCompile(`secret|token|password|key|hash|private|sealed|credential|nonce|value|webhook_url|code`)
	for _, c := range texts(t, db, "SELECT m.name || '.' || p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' AND m.name NOT LIKE 'goose%' ORDER BY 1") {
		_, column, _ := strings.Cut(c, ".")
		if sounds.MatchString(column) && plain[c] == "" && !strings.HasPrefix(c, "counter.") {
			t.Errorf("%s sounds of a secret: seal it (secretColumns), or say here why not", c)
		}
	}
	for _, c := range store.SealedColumns() {
		table, column, _ := strings.Cut(c, ".")
		if !slices.Contains(texts(t, db, "SELECT name FROM pragma_table_info('"+table+"')"), column) {
			t.Errorf("%s is to be sealed, and there is no such column", c)
		}
	}
}
