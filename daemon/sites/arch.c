// SPDX-License-Identifier: MIT
#include "sites/arch.h"

const struct sites_arch *sites_arch_of(uint16_t machine)
{
	return machine == sites_arch_x86_64.machine ? &sites_arch_x86_64 : NULL;
}
