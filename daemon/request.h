/* SPDX-License-Identifier: MIT */
/*
 * request.h - a client's "record" message (profd/control.h), checked and turned into what the
 * collector takes. Messages come from any local user.
 */
#ifndef PROFD_REQUEST_H
#define PROFD_REQUEST_H

#include <cjson/cJSON.h>

#include "access.h"
#include "collector/collector.h"

#define REQUEST_MAX_PIDS    1024
#define REQUEST_MAX_PID	    (1u << 22) /* PID_MAX_LIMIT of 64-bit kernels */
#define REQUEST_MAX_SECONDS (7 * 86400)
#define REQUEST_MAX_COST    10000 /* %, of heap */

#define REQUEST_SECONDS	     30
#define REQUEST_FREQUENCY    99
#define REQUEST_SAMPLE_BYTES (512u << 10)

/* Of snapshots, which the loop makes: of who may see all, and of others. */
#define REQUEST_APART		 100000000ULL /* ns between them */
#define REQUEST_OTHERS_APART	 1000000000ULL
#define REQUEST_REST		 2 /* times what the last one took */
#define REQUEST_OTHERS_REST	 20
#define REQUEST_AT_ONCE		 8 /* on their way: records come in batches */
#define REQUEST_OTHERS_AT_ONCE	 1
#define REQUEST_OTHERS_SNAPSHOTS (256ULL << 20) /* bytes: who gets them may keep them in memory */

/* Why a request is refused, and what to do: both become part of the answer. */
struct refusal {
	char error[320];
	char hint[240];
};

/* The collector's request with the arrays that its filter points to. */
struct request {
	struct recording_request record;
	uint32_t pids[REQUEST_MAX_PIDS];
	uint32_t tids[REQUEST_MAX_PIDS];
};

/* Fills in *out, whose texts borrow from the message, by the rights of the peer. 0 or -errno with
 * the refusal. */
int request_parse(const cJSON *message, const struct peer *peer, struct request *out,
	struct refusal *refusal);

#endif
