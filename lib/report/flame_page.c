/* SPDX-License-Identifier: MIT */
/*
 * flame_page.c - a flame graph as a page: the data as JSON beside the script that draws it
 * (flame.js, flame_page.js). Frames are columns in the order of the walk; what frames of one name
 * share is in the columns of `functions`.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "profile/strings.h"
#include "report/assets.h"
#include "report/json_writer.h"
#include "report/picture.h"
#include "util/cleanup.h"
#include "util/grow.h"
#include "util/hash.h"
#include "util/intern.h"

#define MAX_BYTES 1850000 /* of data; the page around it is small */

/* The distinct (name, module, kind) of the nodes: each is described once. */
struct functions {
	const struct flame *f;
	const struct flame_node **nodes; /* one of each */
	size_t n, capacity;
	uint32_t *of_node;
	struct intern index; /* by place + 1 */
};

/* ---- size --------------------------------------------------------------------------------- */

struct sizing {
	const struct flame *f;
	bool *charged; /* by text: its bytes are counted already */
};

static size_t digits(int64_t value)
{
	size_t n = 2; /* with the comma */
	for (uint64_t v = value < 0 ? 0 - (uint64_t)value : (uint64_t)value; v >= 10; v /= 10)
		n++;
	return n;
}

static size_t text_bytes(const struct sizing *s, uint32_t text)
{
	size_t n = 20;

	if (s->charged[text])
		return 0;
	s->charged[text] = true;
	for (const char *c = flame_text(s->f, text); *c; c++)
		n += (unsigned char)*c < 0x20 || *c == '<' || *c == 0x7f ? 6 : *c == '"' ? 2 : 1;
	return n;
}

static size_t bytes_of(const void *userdata, const struct flame_node *node)
{
	const struct sizing *s = userdata;
	size_t n = digits(node->depth) + digits(node->value) + digits(node->self) + 6;

	if (s->f->differential)
		/* The sum of many values is too large for 64 bits, if these are. */
		n += digits(node->base) + digits((int64_t)fmin(node->width, 0x1p62)) + 3;
	return n + text_bytes(s, node->name) + text_bytes(s, node->module);
}

static int cut(struct flame *f, double min_share)
{
	_cleanup_free_ bool *charged = calloc(strings_count(f->texts), sizeof(*charged));

	if (!charged)
		return -ENOMEM;
	return flame_cut(f, min_share > 0 ? min_share * f->nodes[0].width : 0, MAX_BYTES, bytes_of,
		&(struct sizing){f, charged});
}

/* ---- functions ---------------------------------------------------------------------------- */

struct wanted_function {
	const struct functions *functions;
	const struct flame_node *node;
};

static bool equal_function(const void *userdata, uint32_t id)
{
	const struct wanted_function *w = userdata;
	const struct flame_node *a = w->node, *b = w->functions->nodes[id - 1];
	return a->name == b->name && a->module == b->module && a->kind == b->kind;
}

static int find_functions(struct functions *t, const struct flame *f)
{
	*t = (struct functions){.f = f, .of_node = calloc(f->n, sizeof(*t->of_node))};
	int err = t->of_node ? 0 : -ENOMEM;

	for (size_t i = 0; i < f->n && !err; i++) {
		const struct flame_node *node = &f->nodes[i];
		struct wanted_function wanted = {t, node};
		uint32_t words[] = {node->name, node->module, node->kind};
		uint64_t hash = hash_bytes(words, sizeof(words));
		uint32_t id = intern_find(&t->index, hash, equal_function, &wanted);
		if (!id) {
			err = grow(t->nodes, t->n, t->capacity, 1);
			id = (uint32_t)t->n + 1;
			if (!err)
				err = intern_add(&t->index, hash, id);
			if (!err)
				t->nodes[t->n++] = node;
		}
		t->of_node[i] = id - 1;
	}
	return err;
}

static void functions_free(struct functions *t)
{
	free(t->nodes);
	free(t->of_node);
	intern_free(&t->index);
}

static void write_shades(
	struct json_writer *j, const struct functions *t, const char *key, enum palette palette)
{
	struct picture shaded = {.palette = palette};

	json_open(j, key, '[');
	for (size_t i = 0; i < t->n; i++)
		json_int(j, NULL, picture_shade(&shaded, t->f, t->nodes[i], 0));
	json_close(j, ']');
}

/* functions.module is an index into modules, which is not sorted: 0 is "". */
static int write_functions(struct json_writer *j, const struct functions *t)
{
	_cleanup_free_ uint32_t *place = calloc(strings_count(t->f->texts), sizeof(*place));
	uint32_t n_modules = 1;

	if (!place)
		return -ENOMEM;
	json_open(j, "modules", '[');
	json_text(j, NULL, "");
	for (size_t i = 0; i < t->n; i++) {
		uint32_t module = t->nodes[i]->module;
		if (!module || place[module])
			continue;
		place[module] = n_modules++;
		json_text(j, NULL, flame_text(t->f, module));
	}
	json_close(j, ']');
	json_open(j, "functions", '{');
	json_open(j, "name", '[');
	for (size_t i = 0; i < t->n; i++)
		json_text(j, NULL, flame_text(t->f, t->nodes[i]->name));
	json_close(j, ']');
	json_open(j, "module", '[');
	for (size_t i = 0; i < t->n; i++)
		json_int(j, NULL, place[t->nodes[i]->module]);
	json_close(j, ']');
	json_open(j, "kind", '[');
	for (size_t i = 0; i < t->n; i++)
		json_int(j, NULL, t->nodes[i]->kind);
	json_close(j, ']');
	json_open(j, "shade", '{');
	/* hot, mem and io have as many shades: one column does. */
	write_shades(j, t, "name", PALETTE_HOT);
	write_shades(j, t, "module", PALETTE_MODULE);
	write_shades(j, t, "kind", PALETTE_KIND);
	json_close(j, '}');
	json_close(j, '}');
	return 0;
}

/* ---- frames ------------------------------------------------------------------------------- */

#define write_column(j, f, key, expression)                             \
	do {                                                            \
		json_open(j, key, '[');                                 \
		for (size_t i = 0; i < (f)->n; i++) {                   \
			const struct flame_node *node = &(f)->nodes[i]; \
			(void)node;                                     \
			json_int(j, NULL, (int64_t)(expression));       \
		}                                                       \
		json_close(j, ']');                                     \
	} while (0)

static void write_frames(struct json_writer *j, const struct functions *t)
{
	const struct flame *f = t->f;
	struct picture shaded = {.palette = PALETTE_DIFF};
	double greatest = flame_greatest_change(f);

	json_open(j, "frames", '{');
	write_column(j, f, "depth", node->depth);
	write_column(j, f, "function", t->of_node[i]);
	write_column(j, f, "value", node->value);
	write_column(j, f, "self", node->self);
	if (f->differential) {
		write_column(j, f, "base", node->base);
		json_open(j, "width", '[');
		for (size_t i = 0; i < f->n; i++)
			json_real(j, NULL, f->nodes[i].width);
		json_close(j, ']');
		write_column(j, f, "shade", picture_shade(&shaded, f, node, greatest));
	}
	json_close(j, '}');
}

static void write_colours(struct json_writer *j, enum palette palette, const char *key, bool dark)
{
	char colour[8];

	json_open(j, key, '[');
	for (unsigned i = 0; i < palette_shades(palette); i++) {
		snprintf(colour, sizeof(colour), "#%06x", palette_colour(palette, i, dark));
		json_text(j, NULL, colour);
	}
	json_close(j, ']');
}

static void write_palettes(struct json_writer *j, bool differential)
{
	json_open(j, "palettes", '{');
	for (enum palette p = 0; p < N_PALETTES; p++) {
		if (p == PALETTE_DIFF && !differential)
			continue;
		json_open(j, palette_name(p), '{');
		write_colours(j, p, "light", false);
		write_colours(j, p, "dark", true);
		json_close(j, '}');
	}
	json_close(j, '}');
}

static int write_data(const struct functions *t, const struct picture *picture, FILE *out)
{
	struct json_writer j = {.out = out};
	char subtitle[PICTURE_LABEL_SIZE];

	picture_subtitle(picture, t->f, subtitle, sizeof(subtitle));
	json_open(&j, NULL, '{');
	json_text(&j, "title", picture->title);
	json_text(&j, "subtitle", subtitle);
	json_text(&j, "unit", picture->unit);
	json_text(&j, "noun", picture_noun(picture));
	json_int(&j, "each", picture->each);
	json_bool(&j, "inverted", picture->inverted);
	json_text(&j, "palette", palette_name(picture->palette));
	write_palettes(&j, t->f->differential);
	int err = write_functions(&j, t);
	write_frames(&j, t);
	json_close(&j, '}');
	return err;
}

int flame_page_write(struct flame *f, const struct picture *picture, FILE *out)
{
	struct functions functions = {0};
	int err = cut(f, picture->min_share);

	if (!err)
		err = find_functions(&functions, f);
	errno = 0;
	if (!err) {
		fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width\">\n"
		      "<meta name=\"generator\" content=\"profctl " PROFD_VERSION "\">\n<title>",
			out);
		picture_escape(picture->title, out);
		fprintf(out,
			"</title>\n<style>\n%s</style>\n</head>\n%s"
			"<script type=\"application/json\" id=\"data\">",
			ASSET_FLAME_PAGE_CSS, ASSET_FLAME_PAGE_HTML);
		err = write_data(&functions, picture, out);
		fprintf(out, "</script>\n<script>\n%s\n%s</script>\n</body>\n</html>\n",
			ASSET_FLAME_JS, ASSET_FLAME_PAGE_JS);
	}
	functions_free(&functions);
	if (!err && (fflush(out) == EOF || ferror(out)))
		err = errno ? -errno : -EIO;
	return err;
}
