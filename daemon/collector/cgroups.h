/* SPDX-License-Identifier: MIT */
/*
 * cgroups.h - the cgroup of a process as a path, and the container that the path speaks of.
 *
 * Records carry cgroup ids, which are kernfs node ids: open_by_handle_at(2) on the mounted
 * hierarchy turns one into its folder (FILEID_KERNFS, 5.5 and later, kernel commit
 * 40430452fd5d). The scan reads /proc/PID/cgroup. Where the unified hierarchy is mounted but not
 * used (hybrid hosts), the path is that of v1's memory controller, else that of systemd's own
 * hierarchy.
 */
#ifndef PROFD_COLLECTOR_CGROUPS_H
#define PROFD_COLLECTOR_CGROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CGROUP_CACHE	   1024 /* ids whose path is remembered */
#define CONTAINER_NAME_MAX 64

/* Shared by all processes in it. */
struct cgroup {
	unsigned references;
	char *path;	 /* "/system.slice/ssh.service"; never empty */
	char *container; /* "3f4e1b7a9c02", a name, or "" */
};

struct cgroup *cgroup_ref(struct cgroup *c);
void cgroup_unref(struct cgroup *c); /* NULL is fine */

struct cgroups;

/* 0 or -ENOMEM. A host without a cgroup file system is fine. */
int cgroups_new(struct cgroups **out);
void cgroups_free(struct cgroups *c);

/* The cgroup of a process by its ids, and by /proc/PID/cgroup where they do not tell (it was
 * removed, or the path is the root's on a hybrid host). A new reference; NULL: nothing is known. */
struct cgroup *cgroups_find(struct cgroups *c, uint64_t id, uint64_t v1_id, uint32_t pid);

/* The path in the text of a /proc/PID/cgroup by the rules above: into out, true if there is one. */
bool cgroup_parse(const char *text, char *out, size_t size);

/* The container in a cgroup's path: 12 hex digits of its id, as docker shows it, or its name (LXC,
 * systemd-nspawn); "" for none. Patterns of docker, podman, containerd, CRI-O and kubelet,
 * with the cgroupfs and the systemd driver. */
void cgroup_container(const char *path, char out[CONTAINER_NAME_MAX]);

#endif
