/* SPDX-License-Identifier: MIT */
#include "report/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/prune.h"
#include "profile/units.h"
#include "report/filter.h"
#include "report/names.h"
#include "report/private.h"
#include "report/tag_frames.h"
#include "util/cleanup.h"

static int report_comments(struct report *r)
{
	for (size_t i = 0; i < r->p->n_comments; i++)
		fprintf(r->out, "%s\n", profile_text(r->p, r->p->comments[i]));
	return 0;
}

static const struct kind {
	int (*print)(struct report *r);
	bool needs_symbol;
	bool whole;	 /* nothing is trimmed */
	bool by_address; /* whatever was asked for */
	bool by_line;
	bool keeps_objects; /* equal names of different binaries are different nodes */
	bool is_table;	    /* all rows, unless a number of them is asked for */
	bool is_graph;
} KINDS[] = {
	[REPORT_TOP] = {.print = report_top, .is_table = true},
	[REPORT_TREE] = {.print = report_tree},
	[REPORT_PEEK] = {.print = report_tree, .needs_symbol = true, .whole = true},
	[REPORT_TRACES] = {.print = report_traces},
	[REPORT_TAGS] = {.print = report_tags},
	[REPORT_RAW] = {.print = report_raw, .whole = true, .by_address = true},
	[REPORT_COMMENTS] = {.print = report_comments},
	[REPORT_LIST] = {.print = report_list,
		.needs_symbol = true,
		.whole = true,
		.by_line = true,
		.keeps_objects = true},
	[REPORT_WEBLIST] = {.print = report_list,
		.needs_symbol = true,
		.whole = true,
		.by_line = true,
		.keeps_objects = true},
	[REPORT_DISASM] = {.print = report_disasm,
		.needs_symbol = true,
		.whole = true,
		.by_address = true,
		.keeps_objects = true},
	[REPORT_DOT] = {.print = report_dot, .is_graph = true},
	[REPORT_CALLGRIND] = {.print = report_callgrind,
		.whole = true,
		.by_address = true,
		.keeps_objects = true,
		.is_graph = true},
	[REPORT_PROTO] = {.print = report_proto, .whole = true, .by_address = true},
	[REPORT_TOPPROTO] = {.print = report_topproto, .is_table = true},
};

bool report_needs_symbol(enum report_kind kind)
{
	return KINDS[kind].needs_symbol;
}

/* ---- numbers ------------------------------------------------------------------------------ */

int64_t report_value(const struct report *r, size_t sample)
{
	return r->p->values[sample * r->p->n_sample_types + r->sample_type];
}

int64_t report_divisor(const struct report *r, size_t sample)
{
	return r->config.mean ? r->p->values[sample * r->p->n_sample_types] : 0;
}

static int64_t with_ratio(const struct report *r, int64_t value)
{
	return r->ratio > 0 && r->ratio != 1 ? to_int64((double)value * r->ratio) : value;
}

void report_scale(struct profile *p, const struct report_config *config)
{
	double ratio = 1 / config->divide_by;
	if (!(ratio > 0) || ratio == 1)
		return;
	for (size_t i = 0; i < p->n_samples * p->n_sample_types; i++)
		p->values[i] = to_int64((double)p->values[i] * ratio);
}

void report_format(const struct report *r, int64_t value, char out[FORMAT_VALUE_SIZE])
{
	format_value(out, FORMAT_VALUE_SIZE, with_ratio(r, value), r->from, r->unit);
}

void report_format_or_dot(const struct report *r, int64_t value, char out[FORMAT_VALUE_SIZE])
{
	if (value)
		report_format(r, value, out);
	else
		memcpy(out, ".", 2);
}

void report_pad(FILE *out, const char *text, int width)
{
	for (const char *at = text; *at; at++)
		width -= (*at & 0xc0) != 0x80; /* UTF-8: not a continuation byte */
	fprintf(out, "%*s%s", width > 0 ? width : 0, "", text);
}

void report_print_name(const struct report *r, const struct graph *g, uint32_t node, unsigned used,
	const char *mark)
{
	const struct graph_place *place = graph_place(g, node);
	const char *text = graph_name(g, node), *name = profile_text(r->p, place->name);
	size_t length = strlen(text), shown = strlen(name) + (place->address ? 17 : 0);
	bool has_file = *name && (place->file || place->line) && length > shown;
	used += (unsigned)strlen(mark);
	look_print(&r->config, text, has_file ? length - shown : 0, used, r->out);
	if (*mark)
		fprintf(r->out, "%s%s%s", look(&r->config, LOOK_DIM), mark,
			look(&r->config, LOOK_PLAIN));
	fputc('\n', r->out);
}

/* pprof's -diff_base marks the samples of the base: shares are then relative to it. */
static bool is_diff_base(const struct profile *p, const struct sample *s)
{
	for (size_t i = 0; i < s->n_labels; i++) {
		const struct label *l = &p->labels[s->first_label + i];
		if (l->str && !strcmp(profile_text(p, l->key), "pprof::base") &&
			!strcmp(profile_text(p, l->str), "true"))
			return true;
	}
	return false;
}

static int64_t total_value(const struct report *r)
{
	int64_t total = 0, divisor = 0, base = 0, base_divisor = 0;
	for (size_t i = 0; i < r->p->n_samples; i++) {
		int64_t value = wrapping_abs(report_value(r, i));
		int64_t by = report_divisor(r, i);
		total = wrapping_add(total, value);
		divisor = wrapping_add(divisor, by);
		if (is_diff_base(r->p, &r->p->samples[i])) {
			base = wrapping_add(base, value);
			base_divisor = wrapping_add(base_divisor, by);
		}
	}
	return base > 0 ? divided(base, base_divisor) : divided(total, divisor);
}

/* ---- graphs ------------------------------------------------------------------------------- */

/* File names as they are shown: without what -trim_path and -source_path say. */
static int trim_files(struct profile *p, const struct report_config *c)
{
	for (size_t i = 1; i < p->n_functions; i++) {
		struct function *f = &p->functions[i];
		const char *file = profile_text(p, f->filename);
		const char *rest = trim_path(file, c->trim_path ? c->trim_path : "",
			c->source_path ? c->source_path : "");
		if (rest == file)
			continue;
		int64_t id = profile_string(p, rest);
		if (id < 0)
			return (int)id;
		f->filename = (uint32_t)id;
	}
	return 0;
}

int report_graph(struct report *r, struct graph *g)
{
	int64_t bytes = profile_string(r->p, "bytes");
	if (bytes < 0)
		return (int)bytes;
	struct graph_options options = {
		.sample_type = r->sample_type,
		.mean = r->config.mean,
		.object_names = KINDS[r->kind].keeps_objects,
		.tree = r->config.call_tree && KINDS[r->kind].is_graph,
		.drop_negative = r->config.drop_negative,
		.tags = r->kind == REPORT_DOT,
		.tag_unit = r->unit,
		.bytes_unit = label_units_get(&r->label_units, r->p, (uint32_t)bytes),
	};
	int n = trim_files(r->p, &r->config);
	return n < 0 ? n : graph_init(g, r->p, &options);
}

/* One that shows the smallest value; if the total needs a larger unit and is more than 100 times as
 * much, a hundredth is enough, but for callgrind, which has whole numbers only. */
static void choose_unit(struct report *r, const struct graph *g)
{
	int64_t least = 0, most = r->total;
	if (strcmp(r->unit, "minimum") != 0 || !g->n_listed)
		return;
	for (size_t i = 0; i < g->n_listed; i++) {
		int64_t value = wrapping_abs(graph_flat(g, g->listed[i]));
		if (!value)
			value = wrapping_abs(graph_cum(g, g->listed[i]));
		if (value > 0 && (!least || value < least))
			least = value;
	}
	if (!least)
		least = most;
	least = with_ratio(r, least);
	most = with_ratio(r, most);
	const char *small, *large, *chosen;
	int64_t hundredfold = wrapping_mul(least, 100);
	units_scale(least, r->from, "minimum", &small);
	units_scale(most, r->from, "minimum", &large);
	chosen = small;
	if (strcmp(small, large) != 0 && hundredfold < most && r->kind != REPORT_CALLGRIND)
		units_scale(hundredfold, r->from, "minimum", &chosen);
	r->unit = *chosen ? chosen : r->from;
}

int report_trimmed_graph(struct report *r, struct graph *g, struct trimmed *trimmed)
{
	struct trim_options options = {
		.node_fraction = r->config.node_fraction,
		.edge_fraction = r->config.edge_fraction,
		.node_count = r->config.node_count,
		.order = r->kind == REPORT_DOT ? GRAPH_BY_ENTROPY
			 : r->config.cum       ? GRAPH_BY_CUM
					       : GRAPH_BY_FLAT,
	};
	int n = report_graph(r, g);
	if (n == 0)
		n = graph_trim(g, &options, trimmed);
	if (n == 0)
		choose_unit(r, g);
	return n;
}

/* ---- a whole report ----------------------------------------------------------------------- */

static int check_config(struct report *r)
{
	const struct report_config *c = &r->config;
	int grains = c->functions + c->file_functions + c->files + c->lines + c->addresses;
	if (grains > 1 || (c->flat && c->cum)) {
		snprintf(r->why, r->why_size, "conflicting options set: %s",
			grains > 1 ? "only one of functions, filefunctions, files, lines, addresses"
				   : "only one of flat, cum");
		return -EINVAL;
	}
	if (c->divide_by == 0) {
		snprintf(r->why, r->why_size, "zero divisor specified");
		return -EINVAL;
	}
	return 0;
}

static void set_grain(struct report_config *c, bool addresses, bool lines)
{
	c->functions = c->file_functions = c->files = false;
	c->addresses = addresses;
	c->lines = lines;
}

/* What the kind of report demands, whatever the options say. */
static void apply_kind(struct report *r)
{
	const struct kind *k = &KINDS[r->kind];
	struct report_config *c = &r->config;
	if (k->by_address || k->by_line)
		set_grain(c, k->by_address, k->by_line);
	if (r->kind == REPORT_DISASM)
		c->no_inlines = true; /* an address counts once */
	if (c->node_count == REPORT_NODE_COUNT_DEFAULT)
		c->node_count = k->is_table ? 0 : 80;
	if (k->whole || c->no_trim) {
		c->node_count = 0;
		c->node_fraction = c->edge_fraction = 0;
	}
}

/* Leaves of functions, lines and locations what the grain of the report tells apart. */
static void aggregate(struct profile *p, const struct report_config *c)
{
	bool lines = c->lines || c->addresses, names = !c->files;
	bool files = lines || c->files || c->file_functions;
	if (c->addresses && !c->no_inlines)
		return;
	for (size_t i = 1; i < p->n_functions; i++) {
		struct function *f = &p->functions[i];
		if (!names)
			f->name = f->system_name = 0;
		if (!files)
			f->filename = 0;
	}
	for (size_t i = 1; i < p->n_locations; i++) {
		struct location *l = &p->locations[i];
		if (c->no_inlines && l->n_lines > 1) {
			l->first_line += l->n_lines - 1;
			l->n_lines = 1;
		}
		for (size_t k = l->first_line; k < l->first_line + l->n_lines; k++) {
			p->lines[k].line = lines ? p->lines[k].line : 0;
			p->lines[k].column = lines && c->show_columns ? p->lines[k].column : 0;
		}
		if (!c->addresses)
			l->address = 0;
	}
	for (size_t i = 1; i < p->n_mappings; i++) {
		struct mapping *m = &p->mappings[i];
		m->has_inline_frames &= !c->no_inlines;
		m->has_functions &= names;
		m->has_filenames &= files;
		m->has_line_numbers &= lines;
	}
}

static int compile_symbol(struct report *r, const char *symbol)
{
	char problem[512];
	if (!symbol)
		return 0;
	int n = pattern_compile(&r->symbol, symbol, problem, sizeof(problem));
	if (n == -EINVAL)
		snprintf(r->why, r->why_size, "parsing argument regexp %s: %s", symbol, problem);
	return n;
}

static int filter(struct report *r)
{
	return filter_apply(r->p, &r->config, &r->label_units, r->why, r->why_size);
}

static int keep_addresses(struct report *r)
{
	r->addresses = calloc(r->p->n_locations, sizeof(*r->addresses));
	if (!r->addresses)
		return -ENOMEM;
	for (size_t i = 1; i < r->p->n_locations; i++)
		r->addresses[i] = r->p->locations[i].address;
	return 0;
}

/* Filters, totals, aggregation: in the order on which the shares depend. */
static int make(struct report *r, const char *symbol)
{
	int n = check_config(r);
	if (n == 0)
		n = label_units_find(&r->label_units, r->p);
	if (n < 0)
		return n;
	apply_kind(r);
	r->ratio = 1 / r->config.divide_by;
	r->from = profile_text(r->p, r->p->sample_types[r->sample_type].unit);
	r->unit = r->config.unit ? r->config.unit : "";
	n = tag_frames_add(r->p, r->config.tag_root, r->config.tag_leaf, r->unit);
	if (n == 0 && r->config.relative_percentages)
		n = filter(r);
	if (n == 0)
		n = compile_symbol(r, symbol);
	if (n < 0)
		return n;
	r->total = total_value(r);
	if (!r->config.relative_percentages)
		n = filter(r);
	if (n == 0 && r->kind == REPORT_WEBLIST)
		n = keep_addresses(r);
	if (n == 0 && r->kind == REPORT_DISASM)
		n = report_find_inlined(r);
	if (n == 0)
		aggregate(r->p, &r->config);
	return n;
}

int report_write(struct profile *p, enum report_kind kind, const struct report_config *config,
	size_t sample_type, const char *symbol, FILE *out, char *why, size_t why_size)
{
	struct report r = {
		.p = p,
		.kind = kind,
		.config = *config,
		.sample_type = sample_type,
		.out = out,
		.why = why,
		.why_size = why_size,
	};
	*why = '\0';
	if (sample_type >= p->n_sample_types) {
		snprintf(why, why_size, "profile has no samples");
		return -EINVAL;
	}
	int n = make(&r, symbol);
	if (n == 0) {
		errno = 0;
		n = KINDS[kind].print(&r);
	}
	if (n == 0 && (fflush(out) == EOF || ferror(out)))
		n = errno ? -errno : -EIO;
	if (n == -ENOMEM || n == -E2BIG)
		snprintf(why, why_size, "%s",
			n == -ENOMEM ? "out of memory" : "the profile is too large");
	free(r.addresses);
	free(r.inlined_into);
	pattern_free(r.symbol);
	label_units_free(&r.label_units);
	return n;
}

static int filter_whole(struct report *r)
{
	int n = check_config(r);
	if (n == 0)
		n = profile_prune(r->p);
	if (n == 0)
		n = label_units_find(&r->label_units, r->p);
	if (n == 0)
		n = tag_frames_add(r->p, r->config.tag_root, r->config.tag_leaf, r->config.unit);
	if (n == 0)
		n = filter(r);
	if (n < 0)
		return n;
	set_grain(&r->config, true, false);
	aggregate(r->p, &r->config);
	report_scale(r->p, &r->config);
	return 0;
}

int report_filter(
	struct profile **p, const struct report_config *config, char *why, size_t why_size)
{
	struct report r = {.p = *p, .config = *config, .why = why, .why_size = why_size};
	struct profile *left = NULL;
	*why = '\0';
	int n = filter_whole(&r);
	if (n == 0) {
		left = profile_new();
		n = left ? profile_merge(left, *p, why, why_size) : -ENOMEM;
	}
	if (n == 0) {
		profile_free(*p);
		*p = take_ptr(left);
	}
	profile_free(left);
	label_units_free(&r.label_units);
	return n;
}

int report_write_labels(
	struct profile *p, const struct report_config *config, size_t sample_type, FILE *out)
{
	struct report r = {.p = p, .config = *config, .sample_type = sample_type, .out = out};
	r.ratio = 1 / config->divide_by;
	r.from = profile_text(p, p->sample_types[sample_type].unit);
	r.unit = config->unit;
	r.total = total_value(&r);
	report_print_profile(&r, out);
	return ferror(out) ? -EIO : 0;
}
