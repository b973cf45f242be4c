package health

import (
	"fmt"
	"time"
)

// Mail is how letters fare.
type Mail struct {
	Enabled     bool
	Subscribers int       // of public pages, who have confirmed
	LastOK      time.Time // when the mail server last took a letter; zero: not since the start
	Failing     time.Time // since when nothing gets through; zero: it does, or nothing was to be sent
	Problem     string
	Refused     Refused
}

// Refused are letters to contacts of the last day that did not arrive.
type Refused struct {
	Count   int
	At      time.Time // of the last one
	Contact string
	Detail  string // what the mail server said of it
}

func (r *Report) mail(f Facts) {
	m := f.Mail
	if m == nil || !m.Enabled && m.Subscribers == 0 {
		return
	}
	p := Part{Name: "email", Title: "E-mail", OK: true, Last: m.LastOK, Detail: "nothing to send yet"}
	p.Figures = append(p.Figures, Figure{"subscribers", Count(m.Subscribers, "address", "addresses")})
	switch {
	case !m.Enabled:
		p.Detail = "switched off: " + Count(m.Subscribers, "subscriber hears", "subscribers hear") + " nothing"
	case !m.Failing.IsZero():
		p.Detail = "nothing gets through for " + Age(f.Now.Sub(m.Failing))
	case !m.LastOK.IsZero():
		p.Detail = "the mail server takes letters"
	}
	if n := m.Refused.Count; n > 0 {
		p.Figures = append(p.Figures, Figure{"refused today", Count(n, "letter", "letters")})
		r.Warn("email", fmt.Sprintf("%s to contacts did not arrive in the last 24 hours, the last one to %s: %s", Count(n, "letter", "letters"), m.Refused.Contact, sentence(m.Refused.Detail)),
			"Deliveries shows each with what the mail server said. Correct the address under Contacts.")
	}
	r.Add(p)
	if m.Enabled && !m.Failing.IsZero() && f.Now.Sub(m.Failing) >= failingFor {
		r.Warn("email", fmt.Sprintf("No letter got through for %s: %s", Age(f.Now.Sub(m.Failing)), sentence(m.Problem)),
			"Send a test under E-mail in the console; what waits is sent as soon as the mail server takes it, until the news is old.")
	}
}
