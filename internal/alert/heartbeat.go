package alert

// That a source is silent is an alert of an object that no engine knows: the service
// “heartbeat” of a host that is named as the source. Its id is made as no object's of
// an engine can be, whatever that is called.
const (
	heartbeatService = "heartbeat"
	heartbeatMark    = "\x00heartbeat" // engines' names have no control characters
)

// HeartbeatID is the id of the object that stands for a source being alive.
func HeartbeatID(sourceID string) string { return ObjectID(sourceID, heartbeatMark, heartbeatService) }

// HeartbeatOf is the object that stands for a source being alive. Its label lets rules
// choose by it.
func HeartbeatOf(sourceID, name string) Object {
	return Object{
		ID: HeartbeatID(sourceID), SourceID: sourceID, Host: name, Service: heartbeatService, HostDisplay: name, ServiceDisplay: heartbeatService,
		Labels: map[string]string{"tocsin": heartbeatService},
	}
}

// Heartbeat says whether the object stands for its source being alive.
func (o Object) Heartbeat() bool {
	return o.Service == heartbeatService && o.ID == HeartbeatID(o.SourceID)
}
