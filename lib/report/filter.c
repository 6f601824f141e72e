/* SPDX-License-Identifier: MIT */
#include "report/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/prune.h"
#include "report/tag_filter.h"
#include "util/brief_scale.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/pattern.h"

/* ---- a pattern and what it matches -------------------------------------------------------- */

struct matcher {
	struct pattern *pattern; /* NULL: the option is not set */
	bool *functions;	 /* by name or file */
	bool *mappings;		 /* by file */
};

static int compile(
	struct pattern **out, const char *option, const char *text, char *why, size_t why_size)
{
	char problem[512];
	if (!text || !*text)
		return 0;
	int r = pattern_compile(out, text, problem, sizeof(problem));
	if (r == -EINVAL)
		snprintf(why, why_size, "parsing %s regexp: %s", option, problem);
	return r;
}

static int matcher_init(struct matcher *m, const struct profile *p, const char *option,
	const char *text, char *why, size_t why_size)
{
	int r = compile(&m->pattern, option, text, why, why_size);
	if (r < 0 || !m->pattern)
		return r;
	m->functions = calloc(p->n_functions, sizeof(*m->functions));
	m->mappings = calloc(p->n_mappings, sizeof(*m->mappings));
	if (!m->functions || !m->mappings)
		return -ENOMEM;
	for (size_t i = 1; i < p->n_functions; i++)
		m->functions[i] = pattern_matches(
					  m->pattern, profile_text(p, p->functions[i].name)) ||
				  pattern_matches(
					  m->pattern, profile_text(p, p->functions[i].filename));
	for (size_t i = 1; i < p->n_mappings; i++)
		m->mappings[i] = pattern_matches(m->pattern, profile_text(p, p->mappings[i].file));
	return 0;
}

static void matcher_free(struct matcher *m)
{
	pattern_free(m->pattern);
	free(m->functions);
	free(m->mappings);
}

static bool matches_location(
	const struct matcher *m, const struct profile *p, const struct location *l)
{
	if (m->mappings[l->mapping])
		return true;
	for (size_t i = 0; i < l->n_lines; i++)
		if (m->functions[p->lines[l->first_line + i].function])
			return true;
	return false;
}

/* Keeps the lines that match, or those that do not. A mapping that matches stands for all. */
static void keep_lines(
	const struct matcher *m, struct profile *p, struct location *l, bool matching)
{
	struct line *lines = p->lines + l->first_line;
	bool all = m->mappings[l->mapping];
	uint32_t kept = 0;
	for (uint32_t i = 0; i < l->n_lines; i++)
		if ((all || m->functions[lines[i].function]) == matching)
			lines[kept++] = lines[i];
	l->n_lines = kept;
}

/* ---- samples ------------------------------------------------------------------------------ */

/* Keeps those that are marked. */
static void keep_samples(struct profile *p, const bool *keep)
{
	size_t n = p->n_sample_types, kept = 0;
	for (size_t i = 0; i < p->n_samples; i++) {
		if (!keep[i])
			continue;
		p->samples[kept] = p->samples[i];
		memmove(p->values + kept * n, p->values + i * n, n * sizeof(*p->values));
		kept++;
	}
	p->n_samples = kept;
}

static void warn_unmatched(const struct pattern *pattern, bool matched, const char *option)
{
	if (pattern && !matched)
		log_warning("%s expression matched no samples", option);
}

/* ---- focus, ignore, hide, show ------------------------------------------------------------ */

enum fate { NEITHER, FOCUSED, IGNORED };

struct name_filter {
	struct matcher focus, ignore, hide, show;
	bool focused, ignored, hidden, shown; /* matched something */
	enum fate *fates;
	bool *gone; /* locations without lines left */
};

static void filter_location(struct name_filter *f, struct profile *p, size_t id)
{
	struct location *l = &p->locations[id];
	if (f->ignore.pattern && matches_location(&f->ignore, p, l)) {
		f->ignored = true;
		f->fates[id] = IGNORED;
	} else if (!f->focus.pattern || matches_location(&f->focus, p, l)) {
		f->focused = true;
		f->fates[id] = FOCUSED;
	}
	if (f->hide.pattern && matches_location(&f->hide, p, l)) {
		f->hidden = true;
		keep_lines(&f->hide, p, l, false);
		f->gone[id] = !l->n_lines;
	}
	if (f->show.pattern) {
		keep_lines(&f->show, p, l, true);
		f->gone[id] |= !l->n_lines;
		f->shown |= l->n_lines != 0;
	}
}

static bool is_focused(const struct name_filter *f, const struct profile *p, const struct sample *s)
{
	bool focused = false;
	for (size_t i = 0; i < s->n_locations; i++) {
		enum fate fate = f->fates[p->location_ids[s->first_location + i]];
		if (fate == IGNORED)
			return false;
		focused |= fate == FOCUSED;
	}
	return focused;
}

static void drop_gone(const struct name_filter *f, struct profile *p, struct sample *s)
{
	uint32_t *ids = p->location_ids + s->first_location;
	uint32_t kept = 0;
	for (uint32_t i = 0; i < s->n_locations; i++)
		if (!f->gone[ids[i]])
			ids[kept++] = ids[i];
	s->n_locations = kept;
}

static int run_name_filter(struct name_filter *f, struct profile *p)
{
	_cleanup_free_ bool *keep = calloc(p->n_samples + 1, sizeof(*keep));
	f->fates = calloc(p->n_locations, sizeof(*f->fates));
	f->gone = calloc(p->n_locations, sizeof(*f->gone));
	if (!keep || !f->fates || !f->gone)
		return -ENOMEM;
	bool any_gone = false;
	for (size_t i = 1; i < p->n_locations; i++) {
		filter_location(f, p, i);
		any_gone |= f->gone[i];
	}
	for (size_t i = 0; i < p->n_samples; i++) {
		keep[i] = is_focused(f, p, &p->samples[i]);
		if (!keep[i] || !any_gone)
			continue;
		drop_gone(f, p, &p->samples[i]);
		keep[i] = p->samples[i].n_locations != 0;
	}
	keep_samples(p, keep);
	return 0;
}

static int filter_names(struct profile *p, const struct report_config *c, char *why, size_t size)
{
	struct name_filter f = {0};
	int r = matcher_init(&f.focus, p, "focus", c->focus, why, size);
	if (r == 0)
		r = matcher_init(&f.ignore, p, "ignore", c->ignore, why, size);
	if (r == 0)
		r = matcher_init(&f.hide, p, "hide", c->hide, why, size);
	if (r == 0)
		r = matcher_init(&f.show, p, "show", c->show, why, size);
	if (r == 0 && (f.focus.pattern || f.ignore.pattern || f.hide.pattern || f.show.pattern))
		r = run_name_filter(&f, p);
	if (r == 0) {
		warn_unmatched(f.focus.pattern, f.focused, "Focus");
		warn_unmatched(f.ignore.pattern, f.ignored, "Ignore");
		warn_unmatched(f.hide.pattern, f.hidden, "Hide");
		warn_unmatched(f.show.pattern, f.shown, "Show");
	}
	matcher_free(&f.focus);
	matcher_free(&f.ignore);
	matcher_free(&f.hide);
	matcher_free(&f.show);
	free(f.fates);
	free(f.gone);
	return r;
}

/* ---- show_from ---------------------------------------------------------------------------- */

/* Cuts the lines outside of the outermost that matches. False if none does. */
static bool cut_outer_lines(const struct matcher *m, const struct profile *p, struct location *l)
{
	if (m->mappings[l->mapping])
		return true;
	for (uint32_t i = l->n_lines; i-- > 0;) {
		if (m->functions[p->lines[l->first_line + i].function]) {
			l->n_lines = i + 1;
			return true;
		}
	}
	return false;
}

/* Cuts the frames outside of the outermost location that matched. */
static bool cut_outer_frames(const struct profile *p, struct sample *s, const bool *matched)
{
	for (uint32_t i = s->n_locations; i-- > 0;) {
		if (matched[p->location_ids[s->first_location + i]]) {
			s->n_locations = i + 1;
			return true;
		}
	}
	return false;
}

static int show_from(struct profile *p, const struct report_config *c, char *why, size_t size)
{
	struct matcher m = {0};
	bool any = false;
	int r = matcher_init(&m, p, "show_from", c->show_from, why, size);
	if (r == 0 && m.pattern) {
		_cleanup_free_ bool *matched = calloc(p->n_locations, sizeof(*matched));
		_cleanup_free_ bool *keep = calloc(p->n_samples + 1, sizeof(*keep));
		r = matched && keep ? 0 : -ENOMEM;
		for (size_t i = 1; r == 0 && i < p->n_locations; i++) {
			matched[i] = cut_outer_lines(&m, p, &p->locations[i]);
			any |= matched[i];
		}
		for (size_t i = 0; r == 0 && i < p->n_samples; i++)
			keep[i] = cut_outer_frames(p, &p->samples[i], matched);
		if (r == 0) {
			keep_samples(p, keep);
			warn_unmatched(m.pattern, any, "ShowFrom");
		}
	}
	matcher_free(&m);
	return r;
}

/* ---- tags --------------------------------------------------------------------------------- */

struct tag_filters {
	struct tag_filter focus, ignore;
	bool has_focus, has_ignore;
};

static int run_tag_filters(
	struct tag_filters *f, struct profile *p, const struct label_units *units)
{
	_cleanup_free_ bool *keep = calloc(p->n_samples + 1, sizeof(*keep));
	bool any_focused = false, any_ignored = false;
	if (!keep)
		return -ENOMEM;
	for (size_t i = 0; i < p->n_samples; i++) {
		const struct sample *s = &p->samples[i];
		int focused = f->has_focus ? tag_filter_matches(&f->focus, p, s, units) : 1;
		int ignored = f->has_ignore ? tag_filter_matches(&f->ignore, p, s, units) : 0;
		if (focused < 0 || ignored < 0)
			return -ENOMEM;
		any_focused |= focused;
		any_ignored |= ignored;
		keep[i] = focused && !ignored;
	}
	keep_samples(p, keep);
	if (f->has_focus && !any_focused)
		log_warning("TagFocus expression matched no samples");
	if (f->has_ignore && !any_ignored)
		log_warning("TagIgnore expression matched no samples");
	return 0;
}

static int filter_by_tags(struct profile *p, const struct report_config *c,
	const struct label_units *units, char *why, size_t size)
{
	struct tag_filters f = {
		.has_focus = c->tag_focus && *c->tag_focus,
		.has_ignore = c->tag_ignore && *c->tag_ignore,
	};
	int r = 0;
	if (f.has_focus)
		r = tag_filter_parse(&f.focus, "tagfocus", c->tag_focus, why, size);
	if (r == 0 && f.has_ignore)
		r = tag_filter_parse(&f.ignore, "tagignore", c->tag_ignore, why, size);
	if (r == 0 && (f.has_focus || f.has_ignore))
		r = run_tag_filters(&f, p, units);
	tag_filter_free(&f.focus);
	tag_filter_free(&f.ignore);
	return r;
}

/* ---- what was temporary ------------------------------------------------------------------- */

#define TEMPORARY_BEGINS "temporary: freed within "

/* How long what the labels tell lived, at most: us; 0: nobody has labelled it. */
static uint32_t temporary_within(const struct profile *p)
{
	uint32_t least = 0, us;
	for (size_t i = 0; i < p->n_comments; i++) {
		const char *text = profile_text(p, p->comments[i]);
		char time[16] = "";
		if (strncmp(text, TEMPORARY_BEGINS, strlen(TEMPORARY_BEGINS)) != 0)
			continue;
		text += strlen(TEMPORARY_BEGINS);
		snprintf(time, sizeof(time), "%.*s", (int)strcspn(text, " "), text);
		if (!brief_scale_parse(time, &us) && (!least || us < least))
			least = us;
	}
	return least;
}

static bool is_temporary(const struct profile *p, const struct sample *s, uint32_t within)
{
	const struct label *labels = p->labels + s->first_label;
	for (uint32_t i = 0; i < s->n_labels; i++)
		if (labels[i].num > 0 && labels[i].num <= within &&
			!strcmp(profile_text(p, labels[i].key), "temporary"))
			return true;
	return false;
}

static int filter_temporary(struct profile *p, const char *time, char *why, size_t size)
{
	_cleanup_free_ bool *keep = calloc(p->n_samples + 1, sizeof(*keep));
	uint32_t known = temporary_within(p), within = known;
	if (!keep)
		return -ENOMEM;
	if (*time && brief_scale_parse(time, &within)) {
		snprintf(why, size, "--temporary: '%s' is none of 10us, 20us, 50us, 100us ... 1s",
			time);
		return -EINVAL;
	}
	if (!known || within > known) {
		snprintf(why, size,
			"--temporary: the profile does not say what was freed %s: record it with "
			"profctl record --type heap --temporary%s%s",
			known ? "as late as that" : "how soon", *time ? "=" : "", time);
		return -ENODATA;
	}
	for (size_t i = 0; i < p->n_samples; i++)
		keep[i] = is_temporary(p, &p->samples[i], within);
	keep_samples(p, keep);
	return 0;
}

struct tag_patterns {
	struct pattern *show, *hide;
	bool shown, hidden; /* matched something */
};

static void filter_labels(struct tag_patterns *t, struct profile *p, struct sample *s)
{
	struct label *labels = p->labels + s->first_label;
	uint32_t kept = 0;
	for (uint32_t i = 0; i < s->n_labels; i++) {
		const char *key = profile_text(p, labels[i].key);
		bool show = !t->show || pattern_matches(t->show, key);
		bool hide = t->hide && pattern_matches(t->hide, key);
		t->shown |= show;
		t->hidden |= hide;
		if (show && !hide)
			labels[kept++] = labels[i];
	}
	s->n_labels = kept;
}

static int show_and_hide_tags(
	struct profile *p, const struct report_config *c, char *why, size_t size)
{
	struct tag_patterns t = {0};
	int r = compile(&t.show, "tagshow", c->tag_show, why, size);
	if (r == 0)
		r = compile(&t.hide, "taghide", c->tag_hide, why, size);
	if (r == 0 && (t.show || t.hide)) {
		for (size_t i = 0; i < p->n_samples; i++)
			filter_labels(&t, p, &p->samples[i]);
		warn_unmatched(t.show, t.shown, "TagShow");
		warn_unmatched(t.hide, t.hidden, "TagHide");
	}
	pattern_free(t.show);
	pattern_free(t.hide);
	return r;
}

int filter_apply(struct profile *p, const struct report_config *c, const struct label_units *units,
	char *why, size_t why_size)
{
	struct pattern *prune_from = NULL;
	int r = compile(&prune_from, "prune_from", c->prune_from, why, why_size);
	if (r == 0)
		r = filter_names(p, c, why, why_size);
	if (r == 0)
		r = show_from(p, c, why, why_size);
	if (r == 0 && c->temporary)
		r = filter_temporary(p, c->temporary, why, why_size);
	if (r == 0)
		r = filter_by_tags(p, c, units, why, why_size);
	if (r == 0)
		r = show_and_hide_tags(p, c, why, why_size);
	if (r == 0 && prune_from)
		r = profile_prune_from(p, prune_from);
	pattern_free(prune_from);
	return r;
}
