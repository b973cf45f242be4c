package console

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/escalation"
	"tocsin/internal/fault"
	"tocsin/internal/oncall"
	"tocsin/internal/route"
	"tocsin/internal/web"
)

func (c *console) scheduleRoutes() []routing {
	return []routing{
		{"GET " + schedulesPath, auth.ReadConfig, c.schedules},
		{"GET " + schedulesPath + "/{id}", auth.ReadConfig, c.schedule},
		{"POST " + schedulesPath + "/{id}", auth.WriteConfig, c.saveSchedule},
		{"POST " + schedulesPath + "/{id}/check", auth.WriteConfig, c.checkSchedule},
		{"POST " + schedulesPath + "/{id}/layers", auth.WriteConfig, c.changeLayers},
		{"POST " + schedulesPath + "/{id}/overrides/{override}/end", auth.WriteConfig, c.endOverride},
		{"GET " + schedulesPath + "/{id}/delete", auth.WriteConfig, c.askDeleteSchedule},
		{"POST " + schedulesPath + "/{id}/delete", auth.WriteConfig, c.deleteSchedule},
	}
}

type schedulesView struct {
	shell
	Rows []scheduleRow
}

type scheduleRow struct {
	web.RotaView
	Layers []string // in words, the one that counts first
	Used   []use
	Look   int // how many of its warnings want a look
}

func (c *console) schedules(w http.ResponseWriter, v *visit) error {
	all, err := c.Store.Schedules(v.Context())
	if err != nil {
		return err
	}
	rotas, err := web.Rotas(v.Context(), c.Store, all, v.now)
	if err != nil {
		return err
	}
	names, err := c.places(v)
	if err != nil {
		return err
	}
	view := schedulesView{shell: c.shell(w, v, schedulesPath, "Schedules")}
	for _, r := range rotas {
		row := scheduleRow{RotaView: r}
		for _, x := range r.Warnings {
			if x.Kind != web.WarnOverlap {
				row.Look++
			}
		}
		for i := len(r.Schedule.Layers) - 1; i >= 0; i-- {
			row.Layers = append(row.Layers, layerWords(&r.Schedule.Layers[i], names))
		}
		if row.Used, err = c.usesOfSchedule(v, r.Schedule.ID); err != nil {
			return err
		}
		view.Rows = append(view.Rows, row)
	}
	return c.show(w, v, "schedules", view)
}

// layerWords says what a layer does: "Week: Anna, Ben and Cleo, a week each".
func layerWords(l *oncall.Layer, names places) string {
	var people []string
	for i, id := range l.ContactIDs {
		if i == 3 && len(l.ContactIDs) > 4 {
			people = append(people, strconv.Itoa(len(l.ContactIDs)-3)+" more")
			break
		}
		people = append(people, names.person(id))
	}
	said := listed(people)
	if len(people) == 0 {
		said = "nobody"
	}
	if l.Name != "" {
		said = l.Name + ": " + said
	}
	if len(people) > 1 {
		said += ", " + turnWords(l) + " each"
	}
	if limited(l) {
		said += ", at some times of the week"
	}
	return said
}

// turnWords is how long a turn lasts: "a week", "12 hours".
func turnWords(l *oncall.Layer) string {
	one := map[oncall.Unit]string{oncall.Hours: "an hour", oncall.Days: "a day", oncall.Weeks: "a week"}[l.Unit]
	if l.Every == 1 {
		return one
	}
	return strconv.Itoa(l.Every) + " " + string(l.Unit)
}

func limited(l *oncall.Layer) bool {
	return slices.ContainsFunc(l.Weekdays[:], func(r []contact.Range) bool { return len(r) > 0 })
}

func (c *console) usesOfSchedule(v *visit, id string) ([]use, error) {
	return c.usesOf(v, uses{
		rule:  func(r *route.Rule) bool { return slices.Contains(r.ScheduleIDs, id) },
		group: func(g *contact.Group) bool { return slices.Contains(g.ScheduleIDs, id) },
		policy: func(p *escalation.Policy) bool {
			return slices.ContainsFunc(p.Steps, func(s escalation.Step) bool { return slices.Contains(s.ScheduleIDs, id) })
		},
	})
}

func (c *console) askDeleteSchedule(w http.ResponseWriter, v *visit) error {
	s, err := c.Store.Schedule(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	used, err := c.usesOfSchedule(v, s.ID)
	if err != nil {
		return err
	}
	view := confirmView{Heading: "Delete the schedule “" + s.Name + "”?", Action: schedulesPath + "/" + s.ID + "/delete", Back: schedulesPath + "/" + s.ID,
		Button: "Delete schedule", Refused: inUse(used), Effects: []string{"Its layers and overrides go with it.", "Its shifts leave everybody’s calendar.", "What was told because of it stays in the timelines."}}
	return c.confirm(w, v, schedulesPath, view)
}

func (c *console) deleteSchedule(w http.ResponseWriter, v *visit) error {
	err := c.Store.DeleteSchedule(v.Context(), v.PathValue("id"))
	if errors.Is(err, fault.ErrNotFound) {
		err = nil
	}
	return c.deleted(w, v, err, schedulesPath, "The schedule is deleted.", "A rule, a group or a policy names the schedule. Take it out there first.")
}
