/// What ip(8) says of the arguments of a kind of device.
enum LinkKindUsage {
  /// The text of a kind, if it has one.
  static func text(_ kind: String) -> String? {
    switch kind {
    case "bridge": bridge
    case "vlan": vlan
    case "macvlan": macvlan
    case "vxlan": vxlan
    default: nil
    }
  }

  private static let bridge = """
    Usage: ... bridge [ fdb_flush ]
    \t\t  [ forward_delay FORWARD_DELAY ]
    \t\t  [ hello_time HELLO_TIME ]
    \t\t  [ max_age MAX_AGE ]
    \t\t  [ ageing_time AGEING_TIME ]
    \t\t  [ stp_state STP_STATE ]
    \t\t  [ priority PRIORITY ]
    \t\t  [ group_fwd_mask MASK ]
    \t\t  [ group_address ADDRESS ]
    \t\t  [ no_linklocal_learn NO_LINKLOCAL_LEARN ]
    \t\t  [ vlan_filtering VLAN_FILTERING ]
    \t\t  [ vlan_protocol VLAN_PROTOCOL ]
    \t\t  [ vlan_default_pvid VLAN_DEFAULT_PVID ]
    \t\t  [ vlan_stats_enabled VLAN_STATS_ENABLED ]
    \t\t  [ vlan_stats_per_port VLAN_STATS_PER_PORT ]
    \t\t  [ mcast_snooping MULTICAST_SNOOPING ]
    \t\t  [ mcast_vlan_snooping MULTICAST_VLAN_SNOOPING ]
    \t\t  [ mcast_router MULTICAST_ROUTER ]
    \t\t  [ mcast_query_use_ifaddr MCAST_QUERY_USE_IFADDR ]
    \t\t  [ mcast_querier MULTICAST_QUERIER ]
    \t\t  [ mcast_hash_elasticity HASH_ELASTICITY ]
    \t\t  [ mcast_hash_max HASH_MAX ]
    \t\t  [ mcast_last_member_count LAST_MEMBER_COUNT ]
    \t\t  [ mcast_startup_query_count STARTUP_QUERY_COUNT ]
    \t\t  [ mcast_last_member_interval LAST_MEMBER_INTERVAL ]
    \t\t  [ mcast_membership_interval MEMBERSHIP_INTERVAL ]
    \t\t  [ mcast_querier_interval QUERIER_INTERVAL ]
    \t\t  [ mcast_query_interval QUERY_INTERVAL ]
    \t\t  [ mcast_query_response_interval QUERY_RESPONSE_INTERVAL ]
    \t\t  [ mcast_startup_query_interval STARTUP_QUERY_INTERVAL ]
    \t\t  [ mcast_stats_enabled MCAST_STATS_ENABLED ]
    \t\t  [ mcast_igmp_version IGMP_VERSION ]
    \t\t  [ mcast_mld_version MLD_VERSION ]
    \t\t  [ nf_call_iptables NF_CALL_IPTABLES ]
    \t\t  [ nf_call_ip6tables NF_CALL_IP6TABLES ]
    \t\t  [ nf_call_arptables NF_CALL_ARPTABLES ]

    Where: VLAN_PROTOCOL := { 802.1Q | 802.1ad }

    """

  private static let vlan = """
    Usage: ... vlan id VLANID
    \t\t[ protocol VLANPROTO ]
    \t\t[ reorder_hdr { on | off } ]
    \t\t[ gvrp { on | off } ]
    \t\t[ mvrp { on | off } ]
    \t\t[ loose_binding { on | off } ]
    \t\t[ bridge_binding { on | off } ]
    \t\t[ ingress-qos-map QOS-MAP ]
    \t\t[ egress-qos-map QOS-MAP ]

    VLANID := 0-4095
    VLANPROTO: [ 802.1Q | 802.1ad ]
    QOS-MAP := [ QOS-MAP ] QOS-MAPPING
    QOS-MAPPING := FROM:TO

    """

  private static let macvlan = """
    Usage: ... macvlan mode MODE [flag MODE_FLAG] MODE_OPTS [bcqueuelen BC_QUEUE_LEN]

    MODE: private | vepa | bridge | passthru | source
    MODE_FLAG: null | nopromisc | nodst
    MODE_OPTS: for mode "source":
    \tmacaddr { { add | del } <macaddr> | set [ <macaddr> [ <macaddr>  ... ] ] | flush }
    BC_QUEUE_LEN: Length of the rx queue for broadcast/multicast: [0-4294967295]

    """

  private static let vxlan = """
    Usage: ... vxlan id VNI
    \t\t[ { group | remote } IP_ADDRESS ]
    \t\t[ local ADDR ]
    \t\t[ ttl TTL ]
    \t\t[ tos TOS ]
    \t\t[ df DF ]
    \t\t[ flowlabel LABEL ]
    \t\t[ dev PHYS_DEV ]
    \t\t[ dstport PORT ]
    \t\t[ srcport MIN MAX ]
    \t\t[ [no]learning ]
    \t\t[ [no]proxy ]
    \t\t[ [no]rsc ]
    \t\t[ [no]l2miss ]
    \t\t[ [no]l3miss ]
    \t\t[ ageing SECONDS ]
    \t\t[ maxaddress NUMBER ]
    \t\t[ [no]udpcsum ]
    \t\t[ [no]udp6zerocsumtx ]
    \t\t[ [no]udp6zerocsumrx ]
    \t\t[ [no]remcsumtx ] [ [no]remcsumrx ]
    \t\t[ [no]external ] [ gbp ] [ gpe ]
    \t\t[ [no]vnifilter ]

    Where:\tVNI\t:= 0-16777215
    \tADDR\t:= { IP_ADDRESS | any }
    \tTOS\t:= { NUMBER | inherit }
    \tTTL\t:= { 1..255 | auto | inherit }
    \tDF\t:= { unset | set | inherit }
    \tLABEL := 0-1048575

    """
}
