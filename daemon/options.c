// SPDX-License-Identifier: MIT
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/parse.h"

#define FLAG_BYTES 32

enum {
	FLAG_CONFIG = 256,
	FLAG_FOREGROUND,
	FLAG_CAPTURE,
	FLAG_CHECK,
	FLAG_HELP,
	FLAG_VERSION,
	FLAG_KEY
};

/* "max_age" becomes "max-age". */
static void flag_name(const char *key, char name[FLAG_BYTES])
{
	snprintf(name, FLAG_BYTES, "%s", key);
	for (char *p = name; *p; p++) {
		if (*p == '_')
			*p = '-';
	}
}

/* The table that getopt_long wants; names[] holds what it points to. */
struct flag_table {
	struct option options[OPTIONS_MAX_FLAGS];
	char names[OPTIONS_MAX_FLAGS][FLAG_BYTES];
};

static void make_table(struct flag_table *t)
{
	static const struct option own[] = {
		{"config", required_argument, NULL, FLAG_CONFIG},
		{"foreground", no_argument, NULL, FLAG_FOREGROUND},
		{"capture", required_argument, NULL, FLAG_CAPTURE},
		{"check-config", no_argument, NULL, FLAG_CHECK},
		{"help", no_argument, NULL, FLAG_HELP},
		{"version", no_argument, NULL, FLAG_VERSION},
	};
	size_t n = sizeof(own) / sizeof(own[0]);

	*t = (struct flag_table){0};
	memcpy(t->options, own, sizeof(own));
	for (size_t i = 0; config_key(i) && n < OPTIONS_MAX_FLAGS - 1; i++, n++) {
		flag_name(config_key(i)->name, t->names[n]);
		t->options[n] = (struct option){
			t->names[n], required_argument, NULL, FLAG_KEY + (int)i};
	}
}

/* A path on the command line is relative to where the user stands. 0 or -errno; *out is value
 * itself or *owned, which the caller frees. */
static int absolute_path(const char *value, const char **out, char **owned)
{
	*owned = NULL;
	*out = value;
	if (*value == '/' || !*value)
		return 0;
	_cleanup_free_ char *here = getcwd(NULL, 0);
	if (!here)
		return -errno;
	if (asprintf(owned, "%s/%s", here, value) < 0) {
		*owned = NULL;
		return -ENOMEM;
	}
	*out = *owned;
	return 0;
}

static bool key_is_path(const char *name)
{
	for (size_t i = 0; config_key(i); i++) {
		if (!strcmp(config_key(i)->name, name))
			return config_key(i)->is_path;
	}
	return false;
}

/* As config_set, for a value that was typed. */
static int set_typed(
	struct config *c, const char *key, const char *value, char *why, size_t why_size)
{
	_cleanup_free_ char *owned = NULL;

	if (key_is_path(key)) {
		int err = absolute_path(value, &value, &owned);
		if (err) {
			snprintf(why, why_size, "%s: the current folder: %s", key, strerror(-err));
			return err;
		}
	}
	return config_set(c, NULL, key, value, why, why_size);
}

static int add_flag(struct options *o, const char *key, const char *value, struct config *scratch,
	char *why, size_t why_size)
{
	char reason[512], name[FLAG_BYTES];

	if (o->n_flags == OPTIONS_MAX_FLAGS) {
		snprintf(why, why_size, "more than %d flags", OPTIONS_MAX_FLAGS);
		return -EINVAL;
	}
	if (set_typed(scratch, key, value, reason, sizeof(reason))) {
		/* The reason begins with the key: show it as the flag that it was. */
		flag_name(key, name);
		snprintf(why, why_size, "--%s%s", name, reason + strlen(key));
		return -EINVAL;
	}
	o->flags[o->n_flags].key = key;
	o->flags[o->n_flags++].value = value;
	return 0;
}

static void explain_unknown(const char *flag, char *why, size_t why_size)
{
	char name[FLAG_BYTES], key[FLAG_BYTES];
	const char *text = flag + strspn(flag, "-");

	snprintf(key, sizeof(key), "%.*s", (int)strcspn(text, "="), text);
	for (char *p = key; (p = strchr(p, '-'));)
		*p = '_';
	const struct config_key *nearest = config_nearest(key);
	if (!nearest) {
		snprintf(why, why_size, "there is no flag %s", flag);
		return;
	}
	flag_name(nearest->name, name);
	snprintf(why, why_size, "there is no flag %s: did you mean --%s?", flag, name);
}

static int parse_flags(struct options *o, int argc, char **argv, struct config *scratch, char *why,
	size_t why_size)
{
	struct flag_table table;
	int flag, err;

	make_table(&table);
	opterr = 0;
	optind = 0; /* makes glibc's getopt start anew */
	while ((flag = getopt_long(argc, argv, ":h", table.options, NULL)) != -1) {
		switch (flag) {
		case FLAG_CONFIG:
			o->config_path = optarg;
			break;
		case FLAG_FOREGROUND:
			o->foreground = true;
			break;
		case FLAG_CAPTURE:
			o->capture_path = optarg;
			break;
		case FLAG_CHECK:
			o->check_config = true;
			break;
		case 'h':
		case FLAG_HELP:
			o->help = true;
			break;
		case FLAG_VERSION:
			o->version = true;
			break;
		case ':':
			snprintf(why, why_size, "%s needs a value", argv[optind - 1]);
			return -EINVAL;
		case '?':
			explain_unknown(argv[optind - 1], why, why_size);
			return -EINVAL;
		default:
			err = add_flag(o, config_key((size_t)(flag - FLAG_KEY))->name, optarg,
				scratch, why, why_size);
			if (err)
				return err;
		}
	}
	if (optind < argc) {
		snprintf(why, why_size, "'%s': profd takes flags only", argv[optind]);
		return -EINVAL;
	}
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, char *why, size_t why_size)
{
	struct config scratch;

	*o = (struct options){0};
	int err = config_init(&scratch);
	if (err) {
		snprintf(why, why_size, "%s", strerror(-err));
		return err;
	}
	err = parse_flags(o, argc, argv, &scratch, why, why_size);
	config_free(&scratch);
	return err;
}

/* ---- settings ----------------------------------------------------------------------------- */

static bool has_flag(const struct options *o, const char *key)
{
	for (size_t i = 0; i < o->n_flags; i++) {
		if (!strcmp(o->flags[i].key, key))
			return true;
	}
	return false;
}

/* An empty variable is one that is not set. */
static const char *environment(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

const char *options_config_path(const struct options *o)
{
	if (o->config_path)
		return o->config_path;
	return has_flag(o, "store") || environment("PROFD_STORE") ? NULL : CONFIG_PATH;
}

/* The folder of a private instance's caches is in its store. */
static int private_cache(struct config *c)
{
	char *cache;

	if (asprintf(&cache, "%s/.cache", c->store) < 0)
		return -ENOMEM;
	free(c->cache);
	c->cache = cache;
	return 0;
}

static int load_file(const struct options *o, struct config *c, FILE *errors)
{
	const char *path = options_config_path(o);

	if (!path)
		return 0;
	int n = config_load(c, path, errors);
	if (n == -ENOENT && !o->config_path)
		return 0;
	if (n < 0)
		fprintf(errors, "%s: %s\n", path,
			n == -EFBIG ? "not a configuration file" : strerror(-n));
	return n;
}

static int set_from_environment(struct config *c, FILE *errors)
{
	static const struct {
		const char *variable, *key;
	} known[] = {{"PROFD_STORE", "store"}, {"PROFD_SOCKET", "socket"}};
	const char *seed = environment("PROFD_HEAP_SEED");
	int mistakes = 0;
	char why[512];

	if (seed && parse_u64(seed, 0, UINT64_MAX, &c->heap_seed)) {
		fprintf(errors, "PROFD_HEAP_SEED: %s is no number\n", seed);
		mistakes++;
	}
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const char *value = environment(known[i].variable);
		if (value && set_typed(c, known[i].key, value, why, sizeof(why))) {
			fprintf(errors, "%s: %s\n", known[i].variable, why);
			mistakes++;
		}
	}
	return mistakes;
}

int options_config(const struct options *o, struct config *c, FILE *errors)
{
	char why[512];
	int err = config_init(c);

	if (err) {
		fprintf(errors, "%s\n", strerror(-err));
		return err;
	}
	int mistakes = load_file(o, c, errors);
	if (mistakes < 0)
		return mistakes;
	mistakes += set_from_environment(c, errors);
	for (size_t i = 0; i < o->n_flags; i++) {
		if (set_typed(c, o->flags[i].key, o->flags[i].value, why, sizeof(why))) {
			fprintf(errors, "%s\n", why);
			mistakes++;
		}
	}
	c->capture = o->capture_path ? strdup(o->capture_path) : NULL;
	if (o->capture_path && !c->capture) {
		fprintf(errors, "%s\n", strerror(ENOMEM));
		return -ENOMEM;
	}
	bool private = has_flag(o, "store") || environment("PROFD_STORE");
	if (private && !has_flag(o, "cache") && private_cache(c)) {
		fprintf(errors, "%s\n", strerror(ENOMEM));
		return -ENOMEM;
	}
	return mistakes;
}

/* ---- help --------------------------------------------------------------------------------- */

void options_help(FILE *out)
{
	char name[FLAG_BYTES], flag[FLAG_BYTES + 16];
	const char *section = "";

	fputs("Usage: profd [FLAG...]\n"
	      "Profiles every process of this host all the time; profctl(1) reads the profiles.\n"
	      "profd stays in the foreground: systemctl start profd runs it as a service.\n\n"
	      "  --config FILE        settings (" CONFIG_PATH ", unless --store is given)\n"
	      "  --check-config       report the mistakes in the settings and exit\n"
	      "  --foreground         plain log lines on standard error, also in a service\n"
	      "  --capture FILE       also write every sample's registers and stack (much data)\n"
	      "  --help, --version\n",
		out);
	for (size_t i = 0; config_key(i); i++) {
		const struct config_key *k = config_key(i);
		if (strcmp(section, k->section) != 0)
			fprintf(out, "\nKeys of [%s], each also a flag:\n", k->section);
		section = k->section;
		flag_name(k->name, name);
		snprintf(flag, sizeof(flag), "--%s %s", name, k->value);
		fprintf(out, "  %-20s %s", flag, k->help);
		fprintf(out, *k->fallback ? " (%s)\n" : "\n", k->fallback);
	}
	fputs("\nFlags win over PROFD_STORE and PROFD_SOCKET, those over the file.\n", out);
}
