package console

// pageRoutes are how public pages are made up: pages, groups, components, what they are bound to.
func (c *console) pageRoutes() []routing {
	return nil
}
