// SPDX-License-Identifier: MIT
/* Settings: the table of keys, the file, the flags, and that the manual and the example agree. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "options.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static char folder[] = "/tmp/profd-test-config.XXXXXX";
static char file_path[64];

static int make_folder(void **state)
{
	unsetenv("PROFD_STORE");
	unsetenv("PROFD_SOCKET");
	if (!mkdtemp(folder))
		return -1;
	snprintf(file_path, sizeof(file_path), "%s/profd.conf", folder);
	return 0;
}

static int remove_folder(void **state)
{
	unlink(file_path);
	return rmdir(folder);
}

static void write_file(const void *text, size_t size)
{
	FILE *f = fopen(file_path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, size, f), size);
	assert_int_equal(fclose(f), 0);
}

/* Loads text as a file; *said gets the mistakes, for free(). */
static int load(struct config *c, const void *text, size_t size, char **said)
{
	size_t said_size;
	FILE *errors = open_memstream(said, &said_size);

	write_file(text, size);
	assert_int_equal(config_init(c), 0);
	int n = config_load(c, file_path, errors);
	fclose(errors);
	return n;
}

static void test_defaults(void **state)
{
	struct config c;

	assert_int_equal(config_init(&c), 0);
	assert_true(c.cpu);
	assert_int_equal(c.frequency, 19);
	assert_int_equal(c.window, 60);
	assert_int_equal(c.clock, CONFIG_CLOCK_AUTO);
	assert_false(c.exclude_self);
	assert_string_equal(c.watch, "");
	assert_int_equal(c.sample_bytes, 512 << 10);
	assert_int_equal(c.max_cost, 5);
	assert_string_equal(c.store, "/var/lib/profd");
	assert_string_equal(c.socket, "/run/profd/profd.sock");
	assert_string_equal(c.cache, "/var/cache/profd");
	assert_int_equal(c.max_age, 7 * 86400);
	assert_int_equal(c.max_size, 1 << 30);
	assert_int_equal(c.symbolizer, 64 << 20);
	assert_string_equal(c.debug_dirs, "");
	assert_string_equal(c.debuginfod, "");
	assert_int_equal(c.debuginfod_size, 2ULL << 30);
	config_free(&c);
	config_free(&c);
}

static void test_file(void **state)
{
	static const char text[] =
		"\xEF\xBB\xBF# comment\n"
		"[profile]\n"
		"types =\r\n"
		"frequency=49 ; inline\n"
		"  window = 10\n" /* indented: no continuation of the line before */
		"clock: cpu-clock\n"
		"exclude_self = YES\n"
		"\n"
		"[heap]\n"
		"watch = redis-server, postgresql.service /user.slice\n"
		"sample_bytes = 65536\n"
		"snapshot_every = 10m 64M-allocated,1G-grown\n"
		"[paths]\n"
		"store = /srv/a b\n"
		"cache =\n"
		"[retention]\n"
		"max_age = 1h30m\n"
		"max_size = 0\n"
		"[limits]\n"
		"symbolizer = 128M\n"
		"[symbols]\n"
		"debug_dirs = /a:/b\n"
		"debuginfod = https://a http://b:8002/\n"
		"debuginfod_size = 512M";
	struct config c;
	char *said;

	int n = load(&c, text, sizeof(text) - 1, &said);
	assert_string_equal(said, "");
	assert_int_equal(n, 0);
	assert_false(c.cpu);
	assert_string_equal(c.watch, "redis-server, postgresql.service /user.slice");
	assert_int_equal(c.sample_bytes, 65536);
	assert_string_equal(c.snapshot_every, "10m 64M-allocated,1G-grown");
	assert_int_equal(c.frequency, 49);
	assert_int_equal(c.window, 10);
	assert_int_equal(c.clock, CONFIG_CLOCK_CPU);
	assert_true(c.exclude_self);
	assert_string_equal(c.store, "/srv/a b");
	assert_string_equal(c.cache, "/var/cache/profd");
	assert_int_equal(c.max_age, 5400);
	assert_int_equal(c.max_size, 0);
	assert_int_equal(c.symbolizer, 128 << 20);
	assert_string_equal(c.debug_dirs, "/a:/b");
	assert_string_equal(c.debuginfod, "https://a http://b:8002/");
	assert_int_equal(c.debuginfod_size, 512 << 20);
	config_free(&c);
	free(said);
}

/* Each text has one mistake, in the line given, whose message has the words. */
static void test_mistakes(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *words;
	} cases[] = {
		{"[profile]\nfrequency = 0\n", 2, "from 1 to 1000"},
		{"[profile]\nfrequency = 1001\n", 2, "from 1 to 1000"},
		{"[profile]\nfrequency = 19 Hz\n", 2, "'19 Hz' is not a whole number"},
		{"[profile]\nfrequency =\n", 2, "not a whole number"},
		{"[profile]\nfrequency\n", 2, "neither [section] nor key"},
		{"[profile]\nfrequency", 2, "neither [section] nor key"},
		{"[profile]\n\nwindow = 9\n", 3, "from 10 to 3600"},
		{"[profile]\ntypes = cpu heap\n", 2, "'heap' is not a type"},
		{"[profile]\nclock = tsc\n", 2, "auto, cpu-clock, cycles"},
		{"[profile]\nexclude_self = maybe\n", 2, "neither yes nor no"},
		{"[profile]\nfrequenzy = 19\n", 2, "did you mean 'frequency' in [profile]"},
		{"[profile]\nbananas_split = 19\n", 2, "unknown key 'bananas_split'"},
		{"[profile]\nstore = /x\n", 2, "belongs into section [paths]"},
		{"frequency = 19\n", 1, "belongs into section [profile]"},
		{"[profil]\nfrequency = 19\n", 1, "unknown section [profil]"},
		{"[profile\nfrequency = 0\n", 1, "no closing ]"},
		{"[paths]\nstore = var/lib\n", 2, "not an absolute path"},
		{"[symbols]\ndebug_dirs = /a::/b\n", 2, "not an absolute path"},
		{"[symbols]\ndebug_dirs = /a:\n", 2, "not an absolute path"},
		{"[symbols]\ndebuginfod = http://a file:///b\n", 2, "'file:///b' is no server"},
		{"[symbols]\ndebuginfod = debuginfod.debian.net\n", 2, "begin it with http://"},
		{"[symbols]\ndebuginfod_size = 1M\n", 2, "not between 16M"},
		{"[retention]\nmax_age = 7 days\n", 2, "not a time"},
		{"[retention]\nmax_size = big\n", 2, "not a size"},
		{"[heap]\nwatch = a/b\n", 2, "'a/b' is neither a unit nor a command"},
		{"[heap]\nsnapshot_every = 10m, 64M\n", 2, "'64M' is none of 10s, 64M-allocated"},
		{"[heap]\nsample_bytes = 0\n", 2, "from 1 to 4294967295"},
		{"[limits]\nsymbolizer = 1M\n", 2, "between 16M and 16G"},
		{"[profile]\nwindow = 60\nwindow = 60\n", 3, "set in line 2 already"},
	};

	for (int i = 0; i < COUNT(cases); i++) {
		char start[96];
		struct config c;
		char *said;
		int n = load(&c, cases[i].text, strlen(cases[i].text), &said);
		snprintf(start, sizeof(start), "%s:%u: ", file_path, cases[i].line);
		if (n < 1 || strncmp(said, start, strlen(start)) != 0 ||
			!strstr(said, cases[i].words))
			fail_msg("%d mistakes in '%s': %s", n, cases[i].text, said);
		config_free(&c);
		free(said);
	}
}

static void test_all_mistakes(void **state)
{
	static const char text[] = "[profile]\nfrequency = 0\nwindow = 0\n[nowhere]\nx = y\n"
				   "[retention]\nmax_agee = 1\nmax_age = 2d\n";
	struct config c;
	char *said;

	assert_int_equal(load(&c, text, sizeof(text) - 1, &said), 4);
	assert_non_null(strstr(said, ":2: frequency"));
	assert_non_null(strstr(said, ":3: window"));
	assert_non_null(strstr(said, ":4: unknown section"));
	assert_non_null(strstr(said, ":7: unknown key"));
	assert_int_equal(c.max_age, 2 * 86400);
	config_free(&c);
	free(said);
}

static void test_hostile(void **state)
{
	static const char nul[] = "[profile]\nfreq\0uency = 0\nwindow = 5\n";
	struct config c;
	char *said;

	assert_int_equal(load(&c, nul, sizeof(nul) - 1, &said), 2);
	assert_non_null(strstr(said, ":2: the line has a NUL"));
	assert_non_null(strstr(said, ":3: window"));
	config_free(&c);
	free(said);

	char *text = malloc(100000);
	memset(text, 'x', 100000);
	memcpy(text + 99985, "\n[profile]\n", 11);
	text[99999] = '\n';
	assert_int_equal(load(&c, text, 100000, &said), 2);
	assert_non_null(strstr(said, ":1: the line is longer than"));
	assert_non_null(strstr(said, ":3: neither"));
	config_free(&c);
	free(said);
	free(text);

	assert_int_equal(config_init(&c), 0);
	assert_int_equal(config_load(&c, "/dev/zero", stderr), -EFBIG);
	assert_int_equal(config_load(&c, folder, stderr), -EISDIR);
	assert_int_equal(config_load(&c, "/nonexistent", stderr), -ENOENT);
	config_free(&c);
}

/* A value that just fits, and one that does not, are told apart. */
static void test_longest_socket(void **state)
{
	char path[128], why[512];
	struct config c;

	assert_int_equal(config_init(&c), 0);
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[107] = '\0';
	assert_int_equal(config_set(&c, NULL, "socket", path, why, sizeof(why)), 0);
	assert_string_equal(c.socket, path);
	path[107] = 'a';
	path[108] = '\0';
	assert_int_equal(config_set(&c, NULL, "socket", path, why, sizeof(why)), -EINVAL);
	assert_int_equal(strlen(c.socket), 107);
	assert_int_equal(config_set(&c, "profile", "socket", "/x", why, sizeof(why)), -ENOENT);
	config_free(&c);
}

/* ---- flags -------------------------------------------------------------------------------- */

static int parse(struct options *o, char **argv, char *why, size_t why_size)
{
	int argc = 0;
	while (argv[argc])
		argc++;
	return options_parse(o, argc, argv, why, why_size);
}

static void test_precedence(void **state)
{
	static const char text[] = "[profile]\nfrequency = 29\nwindow = 30\n"
				   "[paths]\nsocket = /file\ncache = /file-cache\n";
	char *argv[] = {"profd", "--config", file_path, "--frequency=49", "--max-age", "1d", NULL};
	struct options o;
	struct config c;
	char why[512];

	write_file(text, sizeof(text) - 1);
	assert_int_equal(parse(&o, argv, why, sizeof(why)), 0);
	assert_string_equal(options_config_path(&o), file_path);
	assert_int_equal(options_config(&o, &c, stderr), 0);
	assert_int_equal(c.frequency, 49);
	assert_int_equal(c.window, 30);
	assert_int_equal(c.max_age, 86400);
	assert_string_equal(c.socket, "/file");
	assert_string_equal(c.cache, "/file-cache");
	config_free(&c);

	setenv("PROFD_SOCKET", "/environment", 1);
	assert_int_equal(options_config(&o, &c, stderr), 0);
	assert_string_equal(c.socket, "/environment");
	config_free(&c);
	unsetenv("PROFD_SOCKET");
}

static void test_private_instance(void **state)
{
	char *argv[] = {"profd", "--store", "here", NULL};
	char *with_cache[] = {"profd", "--store=/s", "--cache=/c", NULL};
	char *plain[] = {"profd", NULL};
	char why[512], expected[4200], here[4096];
	struct options o;
	struct config c;

	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(parse(&o, argv, why, sizeof(why)), 0);
	assert_null(options_config_path(&o));
	assert_int_equal(options_config(&o, &c, stderr), 0);
	snprintf(expected, sizeof(expected), "%s/here", here);
	assert_string_equal(c.store, expected);
	snprintf(expected, sizeof(expected), "%s/here/.cache", here);
	assert_string_equal(c.cache, expected);
	config_free(&c);

	assert_int_equal(parse(&o, with_cache, why, sizeof(why)), 0);
	assert_int_equal(options_config(&o, &c, stderr), 0);
	assert_string_equal(c.cache, "/c");
	config_free(&c);

	assert_int_equal(parse(&o, plain, why, sizeof(why)), 0);
	assert_string_equal(options_config_path(&o), CONFIG_PATH);
	setenv("PROFD_STORE", "/e", 1);
	assert_null(options_config_path(&o));
	assert_int_equal(options_config(&o, &c, stderr), 0);
	assert_string_equal(c.store, "/e");
	assert_string_equal(c.cache, "/e/.cache");
	config_free(&c);
	unsetenv("PROFD_STORE");
}

static void test_bad_flags(void **state)
{
	static char *const cases[][3] = {
		{"--frequency", "0", "--frequency: '0' is not a whole number"},
		{"--max-age=x", NULL, "--max-age: 'x' is not a time"},
		{"--bananas", NULL, "no flag --bananas"},
		{"--frequenzy=3", NULL, "did you mean --frequency?"},
		{"--maxage", "3", "did you mean --max-age?"},
		{"-x", NULL, "no flag -x"},
		{"--store", NULL, "--store needs a value"},
		{"here", NULL, "'here': profd takes flags only"},
	};

	for (int i = 0; i < COUNT(cases); i++) {
		char *argv[] = {"profd", cases[i][0], cases[i][1], NULL};
		struct options o;
		char why[512] = "";
		assert_int_equal(parse(&o, argv, why, sizeof(why)), -EINVAL);
		if (!strstr(why, cases[i][2]))
			fail_msg("'%s' does not say '%s'", why, cases[i][2]);
	}
}

static void test_missing_file(void **state)
{
	char *argv[] = {"profd", "--config", "/nonexistent", NULL};
	struct options o;
	struct config c;
	char why[512], *said;
	size_t size;
	FILE *errors = open_memstream(&said, &size);

	assert_int_equal(parse(&o, argv, why, sizeof(why)), 0);
	assert_int_equal(options_config(&o, &c, errors), -ENOENT);
	fclose(errors);
	assert_non_null(strstr(said, "/nonexistent: No such file"));
	config_free(&c);
	free(said);
}

/* ---- what people read --------------------------------------------------------------------- */

static char *read_all(const char *path)
{
	FILE *f = fopen(path, "r");
	if (!f)
		fail_msg("%s: %s (run the tests from the top of the tree)", path, strerror(errno));
	char *text = calloc(1, 1 << 16);
	assert_true(fread(text, 1, (1 << 16) - 1, f) > 0);
	fclose(f);
	return text;
}

static void test_names_are_unique(void **state)
{
	for (size_t i = 0; config_key(i); i++) {
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(config_key(i)->name, config_key(j)->name);
	}
}

static void test_manual_has_all_keys(void **state)
{
	char *manual = read_all("man/profd.conf.5");
	size_t n = 0;

	for (; config_key(n); n++) {
		const struct config_key *k = config_key(n);
		char line[128];
		snprintf(line, sizeof(line), "\n.BR %s \" =%s%s\"\n", k->name,
			*k->fallback ? " " : "", k->fallback);
		if (!strstr(manual, line))
			fail_msg("profd.conf(5) lacks the line%s", line);
	}
	size_t described = 0;
	for (const char *p = manual; (p = strstr(p, "\n.BR ")); p++)
		described += strncmp(strchr(p + 5, ' ') + 1, "\" =", 3) == 0;
	assert_int_equal(described, n);
	free(manual);
}

/* The example, with its settings uncommented, is the defaults and has all keys. */
static void test_example_is_the_defaults(void **state)
{
	char *example = read_all("systemd/profd.conf");
	struct config c, defaults;
	char *said;
	size_t n = 0;

	for (char *p = example; (p = strstr(p, "\n#")); p++) {
		if (p[2] != ' ') {
			p[1] = ' ';
			n++;
		}
	}
	assert_int_equal(load(&c, example, strlen(example), &said), 0);
	assert_int_equal(config_init(&defaults), 0);
	for (size_t i = 0; i < n; i++)
		assert_non_null(config_key(i));
	assert_null(config_key(n));
	assert_string_equal(c.store, defaults.store);
	assert_string_equal(c.socket, defaults.socket);
	assert_string_equal(c.cache, defaults.cache);
	assert_string_equal(c.debug_dirs, defaults.debug_dirs);
	assert_true(c.cpu == defaults.cpu && c.frequency == defaults.frequency &&
		    c.window == defaults.window && c.clock == defaults.clock &&
		    c.exclude_self == defaults.exclude_self && c.max_age == defaults.max_age &&
		    c.max_size == defaults.max_size && c.symbolizer == defaults.symbolizer);
	config_free(&c);
	config_free(&defaults);
	free(said);
	free(example);
}

static void test_help_has_all_flags(void **state)
{
	char *help;
	size_t size;
	FILE *f = open_memstream(&help, &size);

	options_help(f);
	fclose(f);
	for (size_t i = 0; config_key(i); i++) {
		char flag[64];
		snprintf(flag, sizeof(flag), "--%s ", config_key(i)->name);
		for (char *p; (p = strchr(flag, '_'));)
			*p = '-';
		assert_non_null(strstr(help, flag));
	}
	free(help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_all_mistakes),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_longest_socket),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_private_instance),
		cmocka_unit_test(test_bad_flags),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_names_are_unique),
		cmocka_unit_test(test_manual_has_all_keys),
		cmocka_unit_test(test_example_is_the_defaults),
		cmocka_unit_test(test_help_has_all_flags),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
