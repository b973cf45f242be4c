package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/mail"
)

// What mail servers understand of a program that they hand a letter to (sysexits.h):
// the letter is no good, or it is to be handed over again later.
const (
	exitData  = 65
	exitLater = 75
)

// bounceWait is how long the hub may take.
const bounceWait = 20 * time.Second

func (c *cli) bounce() *cobra.Command {
	var hub, keyFile string
	cmd := &cobra.Command{
		Use:   "bounce",
		Short: "Take a letter that came back, from a mail server",
		Long: "Read a delivery status notification (RFC 3464) and tell the hub that the letter which it is\nabout did not arrive. Mail servers run it with the notification on standard input, for the\n" +
			"address that letters come from. The API key needs the scope email:bounces and nothing else.\n\n" +
			"Exit codes are those that mail servers know: 0 it was taken, or is about no letter of ours;\n65 it is no notification; 75 the hub cannot be reached or does not let it in: try again later.",
		Example: "  tocsin bounce --url https://tocsin.example.org --key-file /etc/tocsin/bounce.key < notification.eml\n\n" +
			"  # /etc/aliases of Postfix\n  alerts: \"|/usr/local/bin/tocsin bounce --url https://tocsin.example.org --key-file /etc/tocsin/bounce.key\"",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := bounceKey(keyFile)
			if err != nil {
				c.code = exitLater
				return c.say(err)
			}
			b, err := mail.ReadBounce(c.in)
			if err != nil {
				c.code = exitData
				return c.say(err)
			}
			detail, err := report(cmd.Context(), hub, key, b)
			if err != nil {
				c.code = exitLater
				return c.say(err)
			}
			_, err = fmt.Fprintln(c.out, detail)
			return err
		},
	}
	cmd.Flags().StringVar(&hub, "url", os.Getenv("TOCSIN_URL"), "address of the hub, e.g. https://tocsin.example.org (default TOCSIN_URL)")
	cmd.Flags().StringVar(&keyFile, "key-file", os.Getenv("TOCSIN_KEY_FILE"), "file with the API key (default TOCSIN_KEY_FILE)")
	return cmd
}

// say prints what is wrong; the exit code is set already.
func (c *cli) say(err error) error {
	_, _ = fmt.Fprintln(c.err, "tocsin bounce: "+err.Error())
	return nil
}

// bounceKey reads the key; it never stands in the command line, which others see.
func bounceKey(file string) (string, error) {
	if file == "" {
		return "", errors.New("no API key: name the file that has it with --key-file; tocsin apikey add NAME --scope email:bounces makes one")
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the API key: %w", err)
	}
	key := strings.TrimSpace(string(raw))
	if key == "" || len(key) > 500 || strings.ContainsAny(key, " \r\n\t") {
		return "", fmt.Errorf("the file %s has no API key in it, in one line", file)
	}
	return key, nil
}

// report tells the hub, and answers what it did.
func report(ctx context.Context, hub, key string, b mail.Bounce) (string, error) {
	u, err := url.Parse(strings.TrimRight(hub, "/"))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New("no address of the hub: give one like https://tocsin.example.org with --url")
	}
	type bounced struct {
		Address string `json:"address,omitempty"`
		Action  string `json:"action"`
		Status  string `json:"status,omitempty"`
		Words   string `json:"words,omitempty"`
		By      string `json:"by,omitempty"`
	}
	said := struct {
		MessageID  string    `json:"message_id"`
		Recipients []bounced `json:"recipients"`
	}{MessageID: b.MessageID}
	for _, r := range b.Recipients {
		said.Recipients = append(said.Recipients, bounced{r.Address, string(r.Action), r.Status, r.Words, r.By})
	}
	body, err := json.Marshal(said)
	if err != nil {
		return "", fmt.Errorf("write what is to be said: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, bounceWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String()+"/api/v1/email/bounces", bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("ask the hub: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("the hub cannot be reached: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return "", fmt.Errorf("the hub's answer breaks off: %w", err)
	}
	var out struct {
		Detail string `json:"detail"`
	}
	if err := json.Unmarshal(answer, &out); err != nil || out.Detail == "" {
		return "", fmt.Errorf("%s answers %s, and not as the hub does: is that its address?", u.Host, resp.Status)
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the hub answers %s: %s", resp.Status, out.Detail)
	}
	return out.Detail, nil
}
