package api

import (
	"context"
	"net/http"

	"tocsin/internal/mail"
	"tocsin/internal/web"
)

// EmailIn changes the settings of e-mail; what is left out stays.
type EmailIn struct {
	Enabled  *bool   `json:"enabled,omitempty" doc:"E-mail is used at all"`
	Host     *string `json:"host,omitempty" maxLength:"253" doc:"The mail server" example:"mail.example.org"`
	Port     *int    `json:"port,omitempty" minimum:"0" maximum:"65535" doc:"0: the usual one of security, 587, 465 or 25"`
	Security *string `json:"security,omitempty" enum:"starttls,tls,none" doc:"Without the encryption that is set nothing is sent"`
	CA       *string `json:"ca,omitempty" maxLength:"65536" doc:"Certificates besides the system's, PEM"`
	Hello    *string `json:"hello,omitempty" maxLength:"253" doc:"This machine's name in EHLO; empty: the system's"`
	Username *string `json:"username,omitempty" maxLength:"200" doc:"Empty: nobody signs in"`
	Password *string `json:"password,omitempty" writeOnly:"true" maxLength:"500" doc:"Empty removes it. Never shown; wanted again when server, user or encryption change"`
	From     *string `json:"from,omitempty" maxLength:"254" doc:"The sender's address" example:"status@example.org"`
	FromName *string `json:"from_name,omitempty" maxLength:"100" doc:"The sender's name"`
	ReplyTo  *string `json:"reply_to,omitempty" maxLength:"254" doc:"Where answers go; empty: to the sender"`
}

// EmailOut are the settings of e-mail, without the password.
type EmailOut struct {
	Enabled     bool   `json:"enabled"`
	Host        string `json:"host"`
	Port        int    `json:"port" doc:"0: the usual one of security"`
	Security    string `json:"security"`
	CA          string `json:"ca"`
	Hello       string `json:"hello"`
	Username    string `json:"username"`
	HasPassword bool   `json:"has_password"`
	From        string `json:"from"`
	FromName    string `json:"from_name"`
	ReplyTo     string `json:"reply_to"`
}

func emailOut(s mail.Settings) EmailOut {
	return EmailOut{s.Enabled, s.Host, s.Port, string(s.Security), s.CA, s.Hello, s.Username, s.Password != "", s.From, s.FromName, s.ReplyTo}
}

// into answers what the settings become.
func (in EmailIn) into(was mail.Settings) (mail.Settings, error) {
	s := was
	set(&s.Enabled, in.Enabled)
	set(&s.Host, in.Host)
	set(&s.Port, in.Port)
	set(&s.CA, in.CA)
	set(&s.Hello, in.Hello)
	set(&s.Username, in.Username)
	set(&s.From, in.From)
	set(&s.FromName, in.FromName)
	set(&s.ReplyTo, in.ReplyTo)
	if in.Security != nil {
		s.Security = mail.Security(*in.Security)
	}
	return web.ChangedMail(was, s, in.Password)
}

// EmailTestIn is where a test letter goes.
type EmailTestIn struct {
	To string `json:"to" minLength:"3" maxLength:"254" doc:"Who gets the letter" example:"ops@example.org"`
}

// EmailTestOut is what became of a test letter.
type EmailTestOut struct {
	OK     bool   `json:"ok"`
	Detail string `json:"detail" doc:"That the server took it; or what stands in the way, and the mend"`
}

func (a *API) emailRoutes() {
	a.bounceRoutes()
	register(a, readConfig(), route("email", http.MethodGet, "/email", "get-email", "The settings of e-mail"),
		func(ctx context.Context, _ *struct{}) (*body[EmailOut], error) {
			s, err := a.d.Mail.MailSettings(ctx)
			if err != nil {
				return nil, err
			}
			return give(emailOut(s)), nil
		})
	register(a, administer(), route("email", http.MethodPut, "/email", "change-email", "Change the settings of e-mail; in force at once"),
		func(ctx context.Context, in *postIn[EmailIn]) (*body[EmailOut], error) {
			was, err := a.d.Mail.MailSettings(ctx)
			if err != nil {
				return nil, err
			}
			s, err := in.Body.into(was)
			if err != nil {
				return nil, err
			}
			if err := a.d.Mail.SaveMailSettings(ctx, s); err != nil {
				return nil, err
			}
			return give(emailOut(s)), nil
		})
	register(a, administer(), route("email", http.MethodPost, "/email/test", "test-email", "Send a test letter by the settings that are saved"),
		func(ctx context.Context, in *postIn[EmailTestIn]) (*body[EmailTestOut], error) {
			to, err := mail.Address(in.Body.To)
			if err != nil {
				return nil, fieldProblem("to", err.Error()+"; write one like ops@example.org", nil)
			}
			s, err := a.d.Mail.MailSettings(ctx)
			if err != nil {
				return nil, err
			}
			got, err := a.d.TestMail(ctx, s, to)
			if err != nil {
				return nil, err
			}
			return give(EmailTestOut(got)), nil
		})
}
