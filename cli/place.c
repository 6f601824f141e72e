// SPDX-License-Identifier: MIT
#include "place.h"

#include <stdlib.h>
#include <string.h>

#include "profd/control.h"

const struct option PLACE_OPTIONS[] = {
	{"store", 0, "DIR", OPTION_TEXT, offsetof(struct place, store), 0, 0,
		"folder of the profiles (PROFD_STORE, or /var/lib/profd)"},
	{"socket", 0, "PATH", OPTION_TEXT, offsetof(struct place, socket), 0, 0,
		"control socket of profd (PROFD_SOCKET, or /run/profd/profd.sock)"},
	{0},
};

static const char *from_environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);
	return value && *value ? value : otherwise;
}

struct place place_default(void)
{
	return (struct place){
		.store = from_environment("PROFD_STORE", PLACE_STORE),
		.socket = from_environment("PROFD_SOCKET", CONTROL_SOCKET),
	};
}

bool place_has_daemon(const struct place *p)
{
	struct place usual = place_default();
	bool installed = !strcmp(p->store, PLACE_STORE);

	/* What an option names is another text than the default, even where both read alike. */
	if (p->socket != usual.socket)
		return true;
	if (strcmp(p->store, usual.store) != 0)
		return installed && !strcmp(p->socket, CONTROL_SOCKET);
	return installed || strcmp(p->socket, CONTROL_SOCKET) != 0;
}
