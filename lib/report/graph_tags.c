/* SPDX-License-Identifier: MIT */
#include "report/graph_tags.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/format.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "key:value" of each text label but pprof's own mark, in order, with \n (two characters, as dot
 * wants) between them. */
static int join(struct graph *g, char **texts, size_t n, uint32_t *out)
{
	_cleanup_free_ char *joined = NULL;
	size_t size;
	qsort(texts, n, sizeof(*texts), compare_texts);
	FILE *stream = open_memstream(&joined, &size);
	if (!stream)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		fprintf(stream, "%s%s", i ? "\\n" : "", texts[i]);
	if (fclose(stream))
		return -ENOMEM;
	int64_t id = profile_string(g->profile, joined);
	if (id < 0)
		return (int)id;
	*out = (uint32_t)id;
	return 0;
}

int graph_sample_tags(struct graph *g, const struct sample *s, struct sample_tags *out)
{
	const struct profile *p = g->profile;
	*out = (struct sample_tags){.sample = s};
	_cleanup_free_ char **texts = calloc(s->n_labels + 1, sizeof(*texts));
	size_t n = 0;
	int r = texts ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < s->n_labels; i++) {
		const struct label *l = &p->labels[s->first_label + i];
		const char *key = profile_text(p, l->key);
		if (!l->str || !strcmp(key, "pprof::base"))
			continue;
		if (asprintf(&texts[n], "%s:%s", key, profile_text(p, l->str)) < 0)
			r = -ENOMEM;
		else
			n++;
	}
	if (r == 0 && n)
		r = join(g, texts, n, &out->labels);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	return r;
}

struct wanted_tag {
	const struct graph *g;
	uint32_t node, labels, name;
};

static bool equal_tag(const void *userdata, uint32_t id)
{
	const struct wanted_tag *w = userdata;
	const struct graph_tag *t = &w->g->tags[id];
	return t->node == w->node && t->labels == w->labels && t->name == w->name;
}

static int find_or_add_tag(struct graph *g, const struct graph_tag *tag, struct graph_tag **out)
{
	struct wanted_tag wanted = {g, tag->node, tag->labels, tag->name};
	uint64_t words[] = {(uint64_t)tag->node << 32 | tag->labels, tag->name};
	uint64_t hash = hash_bytes(words, sizeof(words));
	uint32_t id = intern_find(&g->tag_index, hash, equal_tag, &wanted);
	if (!id) {
		int r = grow(g->tags, g->n_tags, g->tag_capacity, 1);
		if (r == 0)
			r = intern_add(&g->tag_index, hash, (uint32_t)g->n_tags);
		if (r < 0)
			return r;
		id = (uint32_t)g->n_tags++;
		g->tags[id] = *tag;
	}
	*out = &g->tags[id];
	return 0;
}

static int count_tag(
	struct graph *g, const struct graph_tag *tag, int64_t weight, int64_t divisor, bool flat)
{
	struct graph_tag *t;
	int r = find_or_add_tag(g, tag, &t);
	if (r < 0)
		return r;
	int64_t *value = flat ? &t->flat : &t->cum, *div = flat ? &t->flat_div : &t->cum_div;
	*value = wrapping_add(*value, weight);
	*div = wrapping_add(*div, divisor);
	return 0;
}

int graph_tag_node(struct graph *g, const struct sample_tags *tags, uint32_t node, int64_t weight,
	int64_t divisor, bool flat)
{
	struct profile *p = g->profile;
	int r = 0;
	if (tags->labels)
		r = count_tag(g, &(struct graph_tag){.node = node, .labels = tags->labels}, weight,
			divisor, flat);
	for (size_t i = 0; r == 0 && i < tags->sample->n_labels; i++) {
		const struct label *l = &p->labels[tags->sample->first_label + i];
		char text[FORMAT_VALUE_SIZE];
		/* Of numeric labels, graphs show the size of blocks only. */
		if (l->str || strcmp(profile_text(p, l->key), "bytes") != 0)
			continue;
		format_value(
			text, sizeof(text), l->num, g->options.bytes_unit, g->options.tag_unit);
		int64_t name = profile_string(p, text);
		if (name < 0)
			return (int)name;
		r = count_tag(g,
			&(struct graph_tag){.node = node,
				.labels = tags->labels,
				.name = (uint32_t)name,
				.value = l->num},
			weight, divisor, flat);
	}
	return r;
}

void graph_trim_tags(struct graph *g, int64_t least)
{
	for (size_t i = 1; i < g->n_tags; i++) {
		struct graph_tag *t = &g->tags[i];
		if (wrapping_abs(t->flat) < least && wrapping_abs(t->cum) < least)
			t->node = 0;
	}
}
