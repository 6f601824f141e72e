// SPDX-License-Identifier: MIT
/* What lies in the folder of profd-net: its state, and names of requests. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "debuginfod/servers.h"
#include "debuginfod/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_state(const uint8_t *data, size_t size)
{
	struct spool_state s;

	spool_parse_state(&s, (const char *)data, size);
	if (s.fetched > INT64_MAX || (*s.fetching && !build_id_is_plain(s.fetching)))
		abort();
	for (const char *p = s.last_failure; *p; p++)
		if ((unsigned char)*p < ' ')
			abort();
}

static void use_name(const char *name)
{
	char path[SPOOL_PATH];

	if (!build_id_is_plain(name))
		return;
	spool_path(path, SPOOL_WANTED, name);
	if (strlen(path) != strlen(SPOOL_WANTED "/") + strlen(name))
		abort();
	spool_file_path(path, name);
	if (strlen(path) != strlen(SPOOL_FILES "//.debug") + strlen(name) || strstr(path, ".."))
		abort();
}

static void use_servers(const char *text)
{
	struct debuginfod_servers s;
	char why[256] = "", shown[128];

	debuginfod_servers_show(text, shown, sizeof(shown));
	if (debuginfod_servers_parse(&s, text, why, sizeof(why)) && !*why)
		abort();
	for (size_t i = 0; i < s.n; i++)
		if (strncasecmp(s.urls[i], "http", 4) != 0)
			abort();
	debuginfod_servers_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	use_state(data, size);
	use_name(text);
	use_servers(text);
	free(text);
	return 0;
}
