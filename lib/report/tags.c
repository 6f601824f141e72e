/* SPDX-License-Identifier: MIT */
/* tags.c - the values of each label, and how much each weighs. */
#include <stdlib.h>
#include <string.h>

#include "report/private.h"
#include "util/grow.h"
#include "util/hash.h"

/* A key, or with `value` one of its values. */
struct tag {
	uint32_t key, value; /* strings of the profile; value 0: the key as a whole */
	int64_t sum;
};

struct tags {
	struct tag *items; /* entry 0 is unused */
	size_t n, capacity;
	struct intern index;
};

/* An empty text is a value too: it is told from "the key as a whole" by this bit. */
#define IS_VALUE (1U << 31)

struct wanted_tag {
	const struct tags *t;
	uint32_t key, value;
};

static bool equal_tag(const void *userdata, uint32_t id)
{
	const struct wanted_tag *w = userdata;
	return w->t->items[id].key == w->key && w->t->items[id].value == w->value;
}

static int add(struct tags *t, uint32_t key, uint32_t value, int64_t weight)
{
	struct wanted_tag wanted = {t, key, value};
	uint64_t word = (uint64_t)key << 32 | value;
	uint64_t hash = hash_bytes(&word, sizeof(word));
	uint32_t id = intern_find(&t->index, hash, equal_tag, &wanted);
	if (!id) {
		int r = grow(t->items, t->n, t->capacity, 1);
		if (r == 0)
			r = intern_add(&t->index, hash, (uint32_t)t->n);
		if (r < 0)
			return r;
		id = (uint32_t)t->n++;
		t->items[id] = (struct tag){.key = key, .value = value};
	}
	t->items[id].sum = wrapping_add(t->items[id].sum, weight);
	return 0;
}

static int add_label(struct report *r, struct tags *t, const struct label *l, int64_t weight)
{
	int64_t value = l->str;
	if (!l->str) {
		char number[FORMAT_VALUE_SIZE];
		format_value(number, sizeof(number), l->num,
			label_units_get(&r->label_units, r->p, l->key), r->unit);
		value = profile_string(r->p, number);
	}
	int n = value < 0 ? (int)value : add(t, l->key, 0, weight);
	return n < 0 ? n : add(t, l->key, (uint32_t)value | IS_VALUE, weight);
}

/* Keys by name; behind each its values, the largest first. */
static int compare_tags(const void *a, const void *b, void *userdata)
{
	const struct tag *x = a, *y = b;
	const struct profile *p = userdata;
	if (x->key != y->key)
		return strcmp(profile_text(p, x->key), profile_text(p, y->key));
	if (!x->value || !y->value)
		return x->value ? 1 : -1;
	int64_t first = wrapping_abs(x->sum), second = wrapping_abs(y->sum);
	if (first != second)
		return first > second ? -1 : 1;
	return strcmp(profile_text(p, x->value & ~IS_VALUE), profile_text(p, y->value & ~IS_VALUE));
}

/* "12.50MB (34.00%):", or without a total "12.50MB:". */
static int write_value(const struct report *r, int64_t value, char *out, size_t size)
{
	char number[FORMAT_VALUE_SIZE], share[PERCENTAGE_SIZE];
	report_format(r, value, number);
	format_percentage(share, sizeof(share), value, r->total);
	return r->total > 0 ? snprintf(out, size, "%s (%s):", number, share)
			    : snprintf(out, size, "%s:", number);
}

static int characters(const char *text)
{
	int n = 0;
	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static void print_key(const struct report *r, const struct tag *tags, size_t n)
{
	char sum[FORMAT_VALUE_SIZE], total[FORMAT_VALUE_SIZE], share[PERCENTAGE_SIZE];
	char value[FORMAT_VALUE_SIZE + PERCENTAGE_SIZE + 8];
	const char *key = profile_text(r->p, tags[0].key);
	int width = 0;
	report_format(r, tags[0].sum, sum);
	report_format(r, r->total, total);
	format_percentage(share, sizeof(share), tags[0].sum, r->total);
	fprintf(r->out, " %s", look(&r->config, LOOK_HEAD));
	look_name(&r->config, key, strlen(key), r->out);
	fprintf(r->out, "%s: Total %s of %s", look(&r->config, LOOK_PLAIN), sum, total);
	if (r->total > 0)
		fprintf(r->out, " (%s)", share);
	fputc('\n', r->out);
	for (size_t i = 1; i < n; i++) {
		int length = write_value(r, tags[i].sum, value, sizeof(value));
		width = length > width ? length : width;
	}
	for (size_t i = 1; i < n; i++) {
		write_value(r, tags[i].sum, value, sizeof(value));
		fprintf(r->out, "%*s", characters(key) + 2, "");
		fputs(look(&r->config, look_of_share(tags[i].sum, r->total, true)), r->out);
		report_pad(r->out, value, width + 1);
		const char *text = profile_text(r->p, tags[i].value & ~IS_VALUE);
		fprintf(r->out, "%s ", look(&r->config, LOOK_PLAIN));
		look_name(&r->config, text, strlen(text), r->out);
		fputc('\n', r->out);
	}
	fputc('\n', r->out);
}

static void print(struct report *r, struct tags *t)
{
	if (t->n > 1)
		qsort_r(t->items + 1, t->n - 1, sizeof(*t->items), compare_tags, r->p);
	for (size_t i = 1; i < t->n;) {
		size_t n = 1;
		while (i + n < t->n && t->items[i + n].value)
			n++;
		print_key(r, &t->items[i], n);
		i += n;
	}
}

int report_tags(struct report *r)
{
	struct tags t = {0};
	int n = grow(t.items, t.n, t.capacity, 1);
	if (n == 0)
		t.items[t.n++] = (struct tag){0};
	for (size_t i = 0; n == 0 && i < r->p->n_samples; i++) {
		const struct sample *s = &r->p->samples[i];
		for (size_t k = 0; n == 0 && k < s->n_labels; k++)
			n = add_label(r, &t, &r->p->labels[s->first_label + k], report_value(r, i));
	}
	if (n == 0)
		print(r, &t);
	free(t.items);
	intern_free(&t.index);
	return n;
}
