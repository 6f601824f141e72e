/* SPDX-License-Identifier: MIT */
/* proto.c - reports that are profiles again: what the filters leave (proto), and the nodes that
 * cost most, each as a stack of its own with values cum and flat (topproto). */
#include <errno.h>

#include "profile/pprof.h"
#include "profile/private.h"
#include "profile/units.h"
#include "report/private.h"
#include "util/cleanup.h"

static int write_profile(const struct report *r, const struct profile *p)
{
	int fd = fileno(r->out);
	return fd < 0 ? -errno : pprof_write(p, fd);
}

int report_proto(struct report *r)
{
	report_scale(r->p, &r->config);
	return write_profile(r, r->p);
}

/* ---- topproto ----------------------------------------------------------------------------- */

static uint32_t copy_text(struct profile *to, const struct profile *from, uint32_t text, int *err)
{
	int64_t id = profile_copy_string(to, from, text);
	if (id < 0 && !*err)
		*err = (int)id;
	return id < 0 ? 0 : (uint32_t)id;
}

static int copy_header(const struct report *r, struct profile *to)
{
	int err = profile_add_sample_type(to, "cum", r->unit);
	if (!err)
		err = profile_add_sample_type(to, "flat", r->unit);
	to->period_type.type = copy_text(to, r->p, r->p->period_type.type, &err);
	to->period_type.unit = copy_text(to, r->p, r->p->period_type.unit, &err);
	to->period = r->p->period;
	to->time_nanos = r->p->time_nanos;
	to->duration_nanos = r->p->duration_nanos;
	return err;
}

static int64_t converted(const struct report *r, int64_t value)
{
	const char *unit;
	return to_int64(units_scale(value, r->from, r->unit, &unit));
}

static int add_node(
	const struct report *r, const struct graph *g, uint32_t node, struct profile *to)
{
	const struct graph_place *place = graph_place(g, node);
	int err = 0;
	struct function function = {
		.name = copy_text(to, r->p, place->name, &err),
		.filename = copy_text(to, r->p, place->file, &err),
		.start_line = place->start_line,
	};
	int64_t id = err ? err : profile_add_function(to, &function);
	if (id < 0)
		return (int)id;
	struct location location = {.address = place->address};
	struct line line = {.function = (uint32_t)id, .line = place->line, .column = place->column};
	id = profile_append_location(to, &location, &line, 1);
	if (id < 0)
		return (int)id;
	uint32_t stack = (uint32_t)id;
	int64_t values[] = {converted(r, graph_cum(g, node)), converted(r, graph_flat(g, node))};
	return profile_append_sample(to, &stack, 1, NULL, 0, values);
}

int report_topproto(struct report *r)
{
	struct graph g;
	struct trimmed trimmed;
	struct profile *top = profile_new();
	int n = report_trimmed_graph(r, &g, &trimmed);
	if (n == 0)
		n = top ? copy_header(r, top) : -ENOMEM;
	for (size_t i = 0; n == 0 && i < g.n_listed; i++)
		n = add_node(r, &g, g.listed[i], top);
	if (n == 0)
		n = write_profile(r, top);
	profile_free(top);
	graph_free(&g);
	return n;
}
