#ifndef HOPYARD_CPCAP_SHIM_H
#define HOPYARD_CPCAP_SHIM_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <stdio.h>
#include <sys/types.h>
#include <pcap/pcap.h>

#endif
