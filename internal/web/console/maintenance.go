package console

// maintenanceRoutes are announced work: the calendar, one, and what comes again.
func (c *console) maintenanceRoutes() []routing {
	return nil
}
