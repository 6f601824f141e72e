// SPDX-License-Identifier: MIT
#include "renaming.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "naming.h"
#include "profile/pprof.h"
#include "symbol_client.h"
#include "symbolizer/raw_names.h"
#include "symbols/raw_symbol.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/whole.h"

/* Half of what the symbolizer takes: the last text may be long. */
#define BATCH_BYTES (RAW_NAMES_MAX / 2)

/* Functions that are asked about at once. */
struct batch {
	struct profile *p;
	struct symbol_client client;
	bool whole, shorten;
	char *texts;	     /* their raw symbols, each with its NUL */
	uint64_t *offsets;   /* of these */
	uint32_t *functions; /* ids */
	size_t n, size;
};

bool renaming_is_kind(const char *kind)
{
	return !strcmp(kind, "short") || !strcmp(kind, "templates") || !strcmp(kind, "full");
}

/* Some tools keep it as the name, having no other. */
static const char *raw_symbol(const struct batch *b, uint32_t function)
{
	const struct function *f = &b->p->functions[function];

	return profile_text(b->p, f->system_name ? f->system_name : f->name);
}

static int set_name(struct batch *b, size_t i, const char *name)
{
	bool shorten = b->shorten && is_cpp_symbol(raw_symbol(b, b->functions[i]));
	int64_t id = naming_text(b->p, name, shorten);

	return id < 0 ? (int)id : profile_set_name(b->p, b->functions[i], (uint32_t)id);
}

static int apply(struct batch *b, const struct symbol_answer *a)
{
	int r = 0;

	for (size_t i = 0; i < b->n && !r; i++) {
		const struct symbolizer_address *at = &a->addresses[i];

		if (at->count)
			r = set_name(
				b, i, a->strings + a->functions[a->lines[at->first].function].name);
	}
	return r;
}

static int write_texts(const struct batch *b)
{
	int fd = memfd_create("symbols", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : write_whole(fd, b->texts, b->size, 0);

	if (r)
		close_fd(fd);
	return r ? r : fd;
}

/* Asks about those that are in it, and empties it. */
static int flush(struct batch *b)
{
	_cleanup_close_ int fd = b->n ? write_texts(b) : -1;
	struct symbol_question question = {
		.kind = b->whole ? SYMBOLIZER_RAW_WHOLE : SYMBOLIZER_RAW_SHORT,
		.fd = fd,
		.at = b->offsets,
		.n = b->n,
	};
	struct symbol_reply reply;
	char why[256] = "";

	if (!b->n)
		return 0;
	if (fd < 0)
		return fd;
	int r = symbol_client_ask(&b->client, &question, &reply, why, sizeof(why));
	if (r) {
		log_error("names cannot be made anew: %s", why);
		return -EIO;
	}
	r = apply(b, &reply.answer);
	symbol_reply_free(&reply);
	b->n = b->size = 0;
	return r;
}

static int add(struct batch *b, uint32_t function)
{
	const char *raw = raw_symbol(b, function);
	size_t size = strlen(raw) + 1;
	int r = 0;

	if (!is_mangled_symbol(raw) || size > SYMBOLIZER_MAX_NAME)
		return 0;
	if (b->n == SYMBOLIZER_MAX_OFFSETS || b->size + size > BATCH_BYTES)
		r = flush(b);
	if (r)
		return r;
	memcpy(b->texts + b->size, raw_symbol(b, function), size); /* others may have moved it */
	b->offsets[b->n] = b->size;
	b->functions[b->n++] = function;
	b->size += size;
	return 0;
}

int renaming_run(struct profile *p, const char *kind)
{
	struct batch b = {
		.p = p, .whole = !strcmp(kind, "full"), .shorten = !strcmp(kind, "short")};
	size_t n = p->n_functions < SYMBOLIZER_MAX_OFFSETS ? p->n_functions
							   : SYMBOLIZER_MAX_OFFSETS;
	int r = symbol_client_init(&b.client, "");

	b.texts = malloc(BATCH_BYTES);
	b.offsets = calloc(n + 1, sizeof(*b.offsets));
	b.functions = calloc(n + 1, sizeof(*b.functions));
	if (!b.texts || !b.offsets || !b.functions)
		r = -ENOMEM;
	for (uint32_t i = 1; i < p->n_functions && !r; i++)
		r = add(&b, i);
	if (!r)
		r = flush(&b);
	symbol_client_close(&b.client);
	free(b.texts);
	free(b.offsets);
	free(b.functions);
	return r;
}

int renaming_copy(int from, const char *kind)
{
	_cleanup_close_ int fd = memfd_create("profile", MFD_CLOEXEC);
	struct profile *p;
	char why[256];

	if (fd < 0 || lseek(from, 0, SEEK_SET))
		return -errno;
	int err = pprof_read(&p, from, "the profile", why, sizeof(why));
	if (err)
		return err;
	err = renaming_run(p, kind);
	if (!err)
		err = pprof_write(p, fd);
	profile_free(p);
	return err ? err : take_fd(fd);
}

int renaming_write(struct output *out, int from, const char *kind, int *unnamed)
{
	_cleanup_close_ int renamed = kind ? renaming_copy(from, kind) : -1;

	*unnamed = kind && renamed < 0 ? renamed : 0;
	if (*unnamed)
		log_error("the profile has the names that profd gave it: %s", strerror(-renamed));
	return output_copy(out, renamed < 0 ? from : renamed);
}
