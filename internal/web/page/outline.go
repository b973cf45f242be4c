package page

import (
	"html/template"
	"regexp"
	"slices"
	"strconv"
)

var headingTag = regexp.MustCompile(`<(/?)h([1-6])>`)

// outline moves the headings of a text below one of the page, so that no level is
// left out: whoever writes begins with whichever looks good.
func outline(text template.HTML, under int) template.HTML {
	tags := headingTag.FindAllStringSubmatch(string(text), -1)
	if len(tags) == 0 {
		return text
	}
	var used []string
	for _, t := range tags {
		if !slices.Contains(used, t[2]) {
			used = append(used, t[2])
		}
	}
	slices.Sort(used)
	level := under
	return template.HTML(headingTag.ReplaceAllStringFunc(string(text), func(tag string) string { //nolint:gosec // was HTML before
		closing := tag[1] == '/'
		if !closing {
			level = min(under+1+slices.Index(used, tag[2:3]), level+1, 6)
			return "<h" + strconv.Itoa(level) + ">"
		}
		return "</h" + strconv.Itoa(level) + ">"
	}))
}
