/* SPDX-License-Identifier: MIT */
/* json.h - members of the daemon's messages, with a default where one is missing or of another
 * kind: an older or newer daemon says less or more. */
#ifndef PROFD_CLI_JSON_H
#define PROFD_CLI_JSON_H

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

static inline const cJSON *json_get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* "" without it; lives as long as the object. */
static inline const char *json_text(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(json_get(object, key));
	return text ? text : "";
}

/* 0 without it. */
static inline double json_number(const cJSON *object, const char *key)
{
	const cJSON *item = json_get(object, key);
	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static inline bool json_true(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(json_get(object, key));
}

/* To standard output. 0 or -ENOMEM. */
static inline int json_print(const cJSON *object)
{
	char *text = cJSON_Print(object);

	if (!text)
		return -ENOMEM;
	puts(text);
	cJSON_free(text);
	return 0;
}

static inline void cleanup_json(cJSON **object)
{
	cJSON_Delete(*object);
}

#define _cleanup_json_ __attribute__((cleanup(cleanup_json)))

#endif
