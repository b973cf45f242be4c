package console

func (c *console) windowRoutes() []routing { return nil }
