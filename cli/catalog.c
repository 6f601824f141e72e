// SPDX-License-Identifier: MIT
#include "catalog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "json.h"
#include "util/cleanup.h"
#include "util/log.h"

void catalog_free(struct catalog *c)
{
	store_list_free(c->entries, c->n);
	*c = (struct catalog){0};
}

/* Newest first on the wire, oldest first here. */
static int fill(struct catalog *c, const cJSON *records)
{
	size_t n = (size_t)cJSON_GetArraySize(records);
	const cJSON *r;

	c->entries = calloc(n ? n : 1, sizeof(*c->entries));
	if (!c->entries)
		return -ENOMEM;
	c->n = n;
	cJSON_ArrayForEach (r, records) {
		struct store_entry *e = &c->entries[--n];
		e->path = strdup(json_text(r, "path"));
		e->type = strdup(json_text(r, "type"));
		if (!e->path || !e->type)
			return -ENOMEM;
		e->recording = true;
		e->uid = getuid();
		e->start = (time_t)json_number(r, "start");
		e->mtime.tv_sec = e->start;
		e->size = (uint64_t)json_number(r, "size");
	}
	return 0;
}

static int read_remote(struct catalog *c, const struct place *place)
{
	_cleanup_json_ cJSON *answer = NULL;
	int err = client_query(place->socket, client_request("records"), &answer, NULL);

	if (err)
		return err;
	c->remote = true;
	err = fill(c, json_get(answer, "records"));
	if (err) {
		log_error("cannot list the recordings: %s", strerror(-err));
		catalog_free(c);
	}
	return err;
}

int catalog_read(struct catalog *c, const struct place *place)
{
	struct store *store = NULL;
	char why[512] = "";

	*c = (struct catalog){0};
	int err = store_open(&store, place->store, false, why, sizeof(why));
	if (!err) {
		err = store_list(store, &c->entries, &c->n);
		store_close(store);
	}
	if (err == -EACCES || err == -EPERM)
		return read_remote(c, place);
	if (err && err != -ENOENT)
		log_error(
			"cannot read the store %s: %s", place->store, *why ? why : strerror(-err));
	return err;
}

int catalog_missing(const struct place *place)
{
	log_error("there is no store in %s: has profd run yet? (systemctl start profd; --store "
		  "names another folder)",
		place->store);
	return -ENOENT;
}

int catalog_fetch(const struct place *place, const char *path)
{
	_cleanup_json_ cJSON *answer = NULL;
	cJSON *request = client_request("open");
	int fd;

	if (request && !cJSON_AddStringToObject(request, "path", path)) {
		cJSON_Delete(request);
		request = NULL;
	}
	int err = client_query(place->socket, request, &answer, &fd);
	return err ? err : fd;
}
