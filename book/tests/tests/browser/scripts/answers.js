// Where the results of each question lead: their section, and the entry in it.
return arguments[0].map((question) => search.results(question)
    .map(({ place, href }) => [place, href.replace('.html', '')]));
