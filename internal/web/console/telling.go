package console

// tellingRoutes are how visitors are told: triggers, subscribers, mail.
func (c *console) tellingRoutes() []routing {
	return nil
}
