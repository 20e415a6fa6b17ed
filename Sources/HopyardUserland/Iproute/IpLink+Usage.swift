extension IpLink {
  /// What ip says when it is not told what to do with a link.
  static let usage = """
    Usage: ip link add [link DEV | parentdev NAME] [ name ] NAME
    		    [ txqueuelen PACKETS ]
    		    [ address LLADDR ]
    		    [ broadcast LLADDR ]
    		    [ mtu MTU ] [index IDX ]
    		    [ numtxqueues QUEUE_COUNT ]
    		    [ numrxqueues QUEUE_COUNT ]
    		    [ netns { PID | NAME } ]
    		    type TYPE [ ARGS ]

    	ip link delete { DEVICE | dev DEVICE | group DEVGROUP } type TYPE [ ARGS ]

    	ip link set { DEVICE | dev DEVICE | group DEVGROUP }
    			[ { up | down } ]
    			[ type TYPE ARGS ]
    		[ arp { on | off } ]
    		[ dynamic { on | off } ]
    		[ multicast { on | off } ]
    		[ allmulticast { on | off } ]
    		[ promisc { on | off } ]
    		[ trailers { on | off } ]
    		[ carrier { on | off } ]
    		[ txqueuelen PACKETS ]
    		[ name NEWNAME ]
    		[ address LLADDR ]
    		[ broadcast LLADDR ]
    		[ mtu MTU ]
    		[ netns { PID | NAME } ]
    		[ link-netns NAME | link-netnsid ID ]
    		[ alias NAME ]
    		[ vf NUM [ mac LLADDR ]
    			 [ vlan VLANID [ qos VLAN-QOS ] [ proto VLAN-PROTO ] ]
    			 [ rate TXRATE ]
    			 [ max_tx_rate TXRATE ]
    			 [ min_tx_rate TXRATE ]
    			 [ spoofchk { on | off} ]
    			 [ query_rss { on | off} ]
    			 [ state { auto | enable | disable} ]
    			 [ trust { on | off} ]
    			 [ node_guid EUI64 ]
    			 [ port_guid EUI64 ] ]
    		[ { xdp | xdpgeneric | xdpdrv | xdpoffload } { off |
    			  object FILE [ { section | program } NAME ] [ verbose ] |
    			  pinned FILE } ]
    		[ master DEVICE ][ vrf NAME ]
    		[ nomaster ]
    		[ addrgenmode { eui64 | none | stable_secret | random } ]
    		[ protodown { on | off } ]
    		[ protodown_reason PREASON { on | off } ]
    		[ gso_max_size BYTES ] | [ gso_max_segs PACKETS ]
    		[ gro_max_size BYTES ]

    	ip link show [ DEVICE | group GROUP ] [up] [master DEV] [vrf NAME] [type TYPE]
    		[nomaster]

    	ip link xstats type TYPE [ ARGS ]

    	ip link afstats [ dev DEVICE ]
    	ip link property add dev DEVICE [ altname NAME .. ]
    	ip link property del dev DEVICE [ altname NAME .. ]

    	ip link help [ TYPE ]

    TYPE := { amt | bareudp | bond | bond_slave | bridge | bridge_slave |
              dsa | dummy | erspan | geneve | gre | gretap | gtp | ifb |
              ip6erspan | ip6gre | ip6gretap | ip6tnl |
              ipip | ipoib | ipvlan | ipvtap |
              macsec | macvlan | macvtap |
              netdevsim | nlmon | rmnet | sit | team | team_slave |
              vcan | veth | vlan | vrf | vti | vxcan | vxlan | wwan |
              xfrm | virt_wifi }

    """
}
