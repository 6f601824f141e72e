// SPDX-License-Identifier: MIT
/* What is left of the capabilities: of root's, and of a user's, who has none. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "privileges.h"

/* Capabilities are for good: what gives them up runs in a child. */
static void in_child(int (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid)
		_exit(body());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("the child ended at line %d", WEXITSTATUS(status));
}

/* The line number that did not hold, or 0; lines beyond 255 would not fit an exit status. */
#define EXPECT(condition)                \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

static unsigned long long capability_set(const char *name)
{
	char line[128], format[32];
	unsigned long long set = ULLONG_MAX;
	FILE *f = fopen("/proc/self/status", "r");

	snprintf(format, sizeof(format), "%s: %%llx", name);
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, format, &set) == 1)
			break;
	}
	if (f)
		fclose(f);
	return set;
}

static int reduce_root(void)
{
	const unsigned long long service = 1ULL << 39 | 1ULL << 38 | 1ULL << 19 | 1ULL << 2 |
					   1ULL << 34 | 1ULL << 40;
	const unsigned long long root = 1ULL << 7 | 1ULL << 6 | 1ULL << 5, sys_admin = 1ULL << 21;
	unsigned long long had = capability_set("CapEff");
	struct privileges p;

	EXPECT(!privileges_reduce(&p));
	unsigned long long allowed = service | root | (p.paranoid > 2 ? sys_admin : 0);
	EXPECT(capability_set("CapEff") == (had & allowed));
	EXPECT(capability_set("CapPrm") == (had & allowed));
	EXPECT(capability_set("CapInh") == 0);
	EXPECT(!(capability_set("CapBnd") & ~allowed));
	EXPECT(p.sys_admin == (p.paranoid > 2 && (had & sys_admin)));
	return 0;
}

static int reduce_user(void)
{
	struct privileges p;
	char why[400] = "";

	if (!getuid() && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
		return __LINE__;
	EXPECT(!privileges_reduce(&p));
	EXPECT(!*p.effective);
	EXPECT(!p.sys_admin);
	EXPECT(strstr(p.missing, "cap_checkpoint_restore"));
	EXPECT(!privileges_suffice(&p, why, sizeof(why)));
	EXPECT(strstr(why, "profd lacks cap_bpf cap_perfmon"));
	return 0;
}

static void test_root(void **state)
{
	if (geteuid())
		skip();
	in_child(reduce_root);
}

static void test_user(void **state)
{
	in_child(reduce_user);
}

static void test_status(void **state)
{
	struct privileges p = {.paranoid = 3,
		.sys_admin = true,
		.effective = "cap_bpf cap_sys_admin",
		.missing = ""};
	char why[400];

	cJSON *status = privileges_status(&p);
	char *text = cJSON_PrintUnformatted(status);
	assert_string_equal(text, "{\"uid\":0,\"capabilities\":[\"cap_bpf\",\"cap_sys_admin\"],"
				  "\"missing\":[],\"sys_admin\":\"kept: kernel.perf_event_paranoid "
				  "is 3\"}");
	assert_true(privileges_suffice(&p, why, sizeof(why)));
	cJSON_free(text);
	cJSON_Delete(status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
