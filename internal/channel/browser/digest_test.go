package browser_test

import (
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/channel/browser"
	"tocsin/internal/channel/channeltest"
	"tocsin/internal/config"
)

func TestADigestIsOneNotification(t *testing.T) {
	m := channeltest.Message("d")
	m.Notice, m.Alert = alert.NoticeDigest, nil
	m.Digest = &channel.Digest{
		Storm: "st1", Title: "Storm: source Nagios", About: "source Nagios", Total: 12, Open: 12, URL: "/console/alerts?storm=st1",
		Worst: []channel.Line{{AlertID: "a1", Object: m.Object, State: alert.Critical, Status: alert.Firing}},
	}
	first := browser.Frame(&m, config.Defaults())
	if first.URL != "/console/alerts?storm=st1" || first.AlertID != "" || first.ObjectID != "" || first.Total != 12 || first.Quiet || first.AutoClose != 0 || first.State != alert.Critical {
		t.Errorf("%+v", first)
	}
	m.DeliveryID, m.Quiet, m.Digest.Over = "d2", true, true
	last := browser.Frame(&m, config.Defaults())
	if last.Tag != first.Tag || !last.Quiet || last.AutoClose == 0 {
		t.Errorf("%+v does not take the place of %+v", last, first)
	}
}
