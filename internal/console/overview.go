package console

func overviewRoutes() []route {
	return []route{{pattern: "GET /{$}", serve: (*visit).overview}}
}

func (v *visit) overview() error {
	return v.render("overview", page{Title: "Overview", Nav: "/"})
}
