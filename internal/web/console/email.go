package console

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/mail"
	"tocsin/internal/web"
)

// emailPath is the page of the mail server.
const emailPath = "/console/settings/email"

func (c *console) emailRoutes() []routing {
	return []routing{
		{"GET " + emailPath, auth.ReadConfig, c.email},
		{"POST " + emailPath, auth.Administer, c.saveEmail},
		{"POST " + emailPath + "/test", auth.Administer, c.testEmail},
	}
}

func emailTexts(s mail.Settings) url.Values {
	in := url.Values{"host": {s.Host}, "security": {string(s.Security)}, "ca": {s.CA}, "hello": {s.Hello}, "username": {s.Username}, "from": {s.From},
		"from_name": {s.FromName}, "reply_to": {s.ReplyTo}, "port": {""}}
	if s.Port > 0 {
		in.Set("port", strconv.Itoa(s.Port))
	}
	if s.Enabled || s.Host == "" { // who sets it for the first time wants it on
		in.Set("enabled", "on")
	}
	return in
}

func (c *console) emailForm(v *visit, kept mail.Settings, in url.Values) form {
	half := func(name, label, kind, sample, hint string) field {
		return field{Name: name, Label: label, Kind: kind, Value: in.Get(name), Half: true, Auto: "off", Sample: sample, Hint: hint}
	}
	security := field{Name: "security", Label: "Encryption", Kind: "select", Half: true, Hint: "Without the encryption that is chosen nothing is sent."}
	for _, s := range mail.Securities() {
		security.Options = append(security.Options, option{string(s), map[mail.Security]string{mail.StartTLS: "STARTTLS (port 587)", mail.TLS: "TLS (port 465)", mail.Plain: "None (port 25): this network only"}[s], in.Get("security") == string(s)})
	}
	return form{Action: emailPath, Submit: "Save", Locked: !v.may(auth.Administer), Sections: []section{
		{Title: "Mail server", Fields: []field{
			{Name: "enabled", Label: "E-mail is on", Kind: "checkbox", Checked: in.Get("enabled") != "", Hint: "Visitors can subscribe by e-mail then."},
			half("host", "Server", "text", "mail.example.org", ""), half("port", "Port", "text", "the usual one", ""), security,
			half("hello", "This machine’s name", "text", "the system’s", "As it greets the server. Some servers want one that the internet has."),
			half("username", "User name", "text", "", "Empty where the server lets this machine send as it is."),
			{Name: "password", Label: "Password", Kind: "password", Secret: true, Stored: kept.Password != "", Half: true, Auto: "new-password", Hint: "Never shown again, and sent to no other server than it was given for."},
			{Name: "ca", Label: "Certificates besides the system’s", Kind: "textarea", Value: in.Get("ca"), Rows: 3, Mono: true, Hint: "Of the CA that signed the server’s certificate, where that is your own: PEM."},
		}},
		{Title: "Sender", Fields: []field{
			half("from", "Address", "email", "status@example.org", "Its domain must let this server send for it (SPF, DKIM), or letters end as spam."), half("from_name", "Name", "text", "", ""),
			half("reply_to", "Answers go to", "email", "the sender", ""),
		}},
		{Title: "Test", ID: "test", Hint: "Sends one letter by what stands above, and saves it if the server takes the letter.", Fields: []field{
			half("to", "To", "email", "you@example.org", ""),
		}, Buttons: c.adminButtons(v, formButton{Title: "Send a test and save", Action: emailPath + "/test#test", Wait: "Sending…"})},
	}}
}

func (c *console) email(w http.ResponseWriter, v *visit) error {
	s, err := c.Mail.MailSettings(v.Context())
	if err != nil {
		return err
	}
	return c.showEmail(w, v, http.StatusOK, s, emailTexts(s), nil, nil)
}

func (c *console) showEmail(w http.ResponseWriter, v *visit, status int, kept mail.Settings, in url.Values, said *flash, why error) error {
	f := c.emailForm(v, kept, in)
	f.Sections[2].Said = said
	if why != nil && !f.refused(why) {
		return why
	}
	view := formView{Heading: "E-mail", Form: f, Intro: "By which server letters go out: to visitors of the public pages who subscribed with their address."}
	view.shell = c.shell(w, v, emailPath, "E-mail")
	return c.showForm(w, v, status, view)
}

// readEmail reads the form onto what is kept.
func readEmail(in url.Values, was mail.Settings) (mail.Settings, error) {
	s := mail.Settings{Enabled: in.Get("enabled") != "", Host: text(in, "host"), Security: mail.Security(in.Get("security")), CA: text(in, "ca"), Hello: text(in, "hello"),
		Username: text(in, "username"), From: text(in, "from"), FromName: text(in, "from_name"), ReplyTo: text(in, "reply_to")}
	if p := text(in, "port"); p != "" {
		n, err := strconv.Atoi(p)
		if err != nil {
			return s, &config.FieldError{Field: "port", Problem: "is no number", Mend: "take 1 to 65535, or leave it empty for the usual one"}
		}
		s.Port = n
	}
	var password *string
	if typed := in.Get("password"); typed != "" {
		password = &typed
	} else if in.Get("password_clear") != "" {
		password = new(string)
	}
	return web.ChangedMail(was, s, password)
}

func (c *console) saveEmail(w http.ResponseWriter, v *visit) error {
	was, err := c.Mail.MailSettings(v.Context())
	if err != nil {
		return err
	}
	s, err := readEmail(v.PostForm, was)
	if err != nil {
		return c.showEmail(w, v, http.StatusUnprocessableEntity, was, v.PostForm, nil, err)
	}
	if err := c.Mail.SaveMailSettings(v.Context(), s); err != nil {
		return err
	}
	return done(w, v, emailPath, "Saved. It is in force with the next letter.")
}

// testEmail tries the form as it stands, and keeps it if the server takes the letter:
// the page does not show a password again.
func (c *console) testEmail(w http.ResponseWriter, v *visit) error {
	was, err := c.Mail.MailSettings(v.Context())
	if err != nil {
		return err
	}
	s, err := readEmail(v.PostForm, was)
	to := ""
	if err == nil {
		if to, err = mail.Address(text(v.PostForm, "to")); err != nil {
			err = &config.FieldError{Field: "to", Problem: err.Error(), Mend: "write where the test is to go"}
		}
	}
	if err != nil {
		return c.showEmail(w, v, http.StatusUnprocessableEntity, was, v.PostForm, nil, err)
	}
	ctx, cancel := context.WithTimeout(v.Context(), probePatience)
	defer cancel()
	got, err := c.TestMail(ctx, s, to)
	if err != nil {
		return err
	}
	if !got.OK {
		return c.showEmail(w, v, http.StatusOK, was, v.PostForm, &flash{Kind: "bad", Text: sentence(got.Detail) + " Nothing was saved."}, nil)
	}
	if err := c.Mail.SaveMailSettings(v.Context(), s); err != nil {
		return err
	}
	in := emailTexts(s)
	in.Set("to", to)
	return c.showEmail(w, v, http.StatusOK, s, in, &flash{Kind: "good", Text: sentence(got.Detail) + " Saved."}, nil)
}
