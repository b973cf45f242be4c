package console

// incidentRoutes are incidents, their drafts, templates and the audit trail.
func (c *console) incidentRoutes() []routing {
	return nil
}
