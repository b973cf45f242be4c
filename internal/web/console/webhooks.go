package console

func (c *console) webhookRoutes() []routing { return nil }
