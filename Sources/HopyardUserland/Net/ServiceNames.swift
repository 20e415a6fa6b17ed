/// The names of ports, as Debian has them in /etc/services.
enum ServiceNames {
  /// A name with its port and protocols; an alias is not printed.
  private struct Service {
    var name: Substring
    var port: UInt16
    var protocols: Substring
    var isAlias: Bool
  }

  /// `NAME PORT/PROTOCOLS`, a star behind aliases; the protocols by their first letters.
  private static let text = """
    tcpmux 1/t;echo 7/t,u;discard 9/t,u;sink 9/t,u*;null 9/t,u*;systat 11/t;users 11/t*;\
    daytime 13/t,u;netstat 15/t;qotd 17/t;quote 17/t*;chargen 19/t,u;ttytst 19/t,u*;\
    source 19/t,u*;ftp-data 20/t;ftp 21/t;fsp 21/u;fspd 21/u*;ssh 22/t;telnet 23/t;smtp 25/t;\
    mail 25/t*;time 37/t,u;timserver 37/t,u*;whois 43/t;nicname 43/t*;tacacs 49/t,u;\
    domain 53/t,u;bootps 67/u;bootpc 68/u;tftp 69/u;gopher 70/t;finger 79/t;http 80/t;www 80/t*;\
    kerberos 88/t,u;kerberos5 88/t,u*;krb5 88/t,u*;kerberos-sec 88/t,u*;iso-tsap 102/t;\
    tsap 102/t*;acr-nema 104/t;dicom 104/t*;pop3 110/t;pop-3 110/t*;sunrpc 111/t,u;\
    portmapper 111/t,u*;auth 113/t;authentication 113/t*;tap 113/t*;ident 113/t*;nntp 119/t;\
    readnews 119/t*;untp 119/t*;ntp 123/u;epmap 135/t;loc-srv 135/t*;netbios-ns 137/u;\
    netbios-dgm 138/u;netbios-ssn 139/t;imap2 143/t;imap 143/t*;snmp 161/t,u;snmp-trap 162/t,u;\
    snmptrap 162/t,u*;cmip-man 163/t,u;cmip-agent 164/t,u;mailq 174/t;xdmcp 177/u;bgp 179/t;\
    smux 199/t;qmtp 209/t;z3950 210/t;wais 210/t*;ipx 213/u;ptp-event 319/u;ptp-general 320/u;\
    pawserv 345/t;zserv 346/t;rpc2portmap 369/t,u;codaauth2 370/t,u;clearcase 371/u;\
    Clearcase 371/u*;ldap 389/t,u;svrloc 427/t,u;https 443/t,u;snpp 444/t;microsoft-ds 445/t;\
    kpasswd 464/t,u;submissions 465/t;ssmtp 465/t*;smtps 465/t*;urd 465/t*;saft 487/t;\
    isakmp 500/u;rtsp 554/t,u;nqs 607/t;asf-rmcp 623/u;qmqp 628/t;ipp 631/t;ldp 646/t,u;\
    exec 512/t;biff 512/u;comsat 512/u*;login 513/t;who 513/u;whod 513/u*;shell 514/t;\
    cmd 514/t*;syslog 514/t*;syslog 514/u;printer 515/t;spooler 515/t*;talk 517/u;ntalk 518/u;\
    route 520/u;router 520/u*;routed 520/u*;gdomap 538/t,u;uucp 540/t;uucpd 540/t*;klogin 543/t;\
    kshell 544/t;krcmd 544/t*;dhcpv6-client 546/u;dhcpv6-server 547/u;afpovertcp 548/t;\
    nntps 563/t;snntp 563/t*;submission 587/t;ldaps 636/t,u;tinc 655/t,u;silc 706/t;\
    kerberos-adm 749/t;domain-s 853/t,u;rsync 873/t;ftps-data 989/t;ftps 990/t;telnets 992/t;\
    imaps 993/t;pop3s 995/t;socks 1080/t;proofd 1093/t;rootd 1094/t;openvpn 1194/t,u;\
    rmiregistry 1099/t;lotusnote 1352/t;lotusnotes 1352/t*;ms-sql-s 1433/t;ms-sql-m 1434/u;\
    ingreslock 1524/t;datametrics 1645/t,u;old-radius 1645/t,u*;sa-msg-port 1646/t,u;\
    old-radacct 1646/t,u*;kermit 1649/t;groupwise 1677/t;l2f 1701/u;l2tp 1701/u*;\
    radius 1812/t,u;radius-acct 1813/t,u;radacct 1813/t,u*;cisco-sccp 2000/t;nfs 2049/t,u;\
    gnunet 2086/t,u;rtcm-sc104 2101/t,u;gsigatekeeper 2119/t;gris 2135/t;cvspserver 2401/t;\
    venus 2430/t,u;venus-se 2431/t,u;codasrv 2432/t,u;codasrv-se 2433/t,u;mon 2583/t,u;\
    dict 2628/t;f5-globalsite 2792/t;gsiftp 2811/t;gpsd 2947/t;gds-db 3050/t;gds_db 3050/t*;\
    icpv2 3130/u;icp 3130/u*;isns 3205/t,u;iscsi-target 3260/t;mysql 3306/t;\
    ms-wbt-server 3389/t;nut 3493/t,u;distcc 3632/t;daap 3689/t;svn 3690/t;subversion 3690/t*;\
    suucp 4031/t;sysrqd 4094/t;sieve 4190/t;epmd 4369/t;remctl 4373/t;f5-iquery 4353/t;\
    ntske 4460/t;ipsec-nat-t 4500/u;iax 4569/u;mtn 4691/t;radmin-port 4899/t;sip 5060/t,u;\
    sip-tls 5061/t,u;xmpp-client 5222/t;jabber-client 5222/t*;xmpp-server 5269/t;\
    jabber-server 5269/t*;cfengine 5308/t;mdns 5353/u;postgresql 5432/t;postgres 5432/t*;\
    freeciv 5556/t;rptp 5556/t*;amqps 5671/t;amqp 5672/t,s;x11 6000/t;x11-0 6000/t*;\
    x11-1 6001/t;x11-2 6002/t;x11-3 6003/t;x11-4 6004/t;x11-5 6005/t;x11-6 6006/t;x11-7 6007/t;\
    gnutella-svc 6346/t,u;gnutella-rtr 6347/t,u;redis 6379/t;sge-qmaster 6444/t;\
    sge_qmaster 6444/t*;sge-execd 6445/t;sge_execd 6445/t*;mysql-proxy 6446/t;babel 6696/u;\
    ircs-u 6697/t;bbs 7000/t;afs3-fileserver 7000/u;afs3-callback 7001/u;afs3-prserver 7002/u;\
    afs3-vlserver 7003/u;afs3-kaserver 7004/u;afs3-volser 7005/u;afs3-bos 7007/u;\
    afs3-update 7008/u;afs3-rmtsys 7009/u;font-service 7100/t;xfs 7100/t*;http-alt 8080/t;\
    webcache 8080/t*;puppet 8140/t;bacula-dir 9101/t;bacula-fd 9102/t;bacula-sd 9103/t;\
    xmms2 9667/t;nbd 10809/t;zabbix-agent 10050/t;zabbix-trapper 10051/t;amanda 10080/t;\
    dicom 11112/t;hkp 11371/t;db-lsp 17500/t;dcap 22125/t;gsidcap 22128/t;wnn6 22273/t;\
    kerberos4 750/u,t;kerberos-iv 750/u,t*;kdc 750/u,t*;kerberos-master 751/u,t;\
    kerberos_master 751/u*;passwd-server 752/u;passwd_server 752/u*;krb-prop 754/t;\
    krb_prop 754/t*;krb5_prop 754/t*;hprop 754/t*;zephyr-srv 2102/u;zephyr-clt 2103/u;\
    zephyr-hm 2104/u;iprop 2121/t;supfilesrv 871/t;supfiledbg 1127/t;poppassd 106/t;\
    moira-db 775/t;moira_db 775/t*;moira-update 777/t;moira_update 777/t*;moira-ureg 779/u;\
    moira_ureg 779/u*;spamd 783/t;skkserv 1178/t;predict 1210/u;rmtcfg 1236/t;xtel 1313/t;\
    xtelw 1314/t;zebrasrv 2600/t;zebra 2601/t;ripd 2602/t;ripngd 2603/t;ospfd 2604/t;\
    bgpd 2605/t;ospf6d 2606/t;ospfapi 2607/t;isisd 2608/t;fax 4557/t;hylafax 4559/t;\
    munin 4949/t;lrrd 4949/t*;rplay 5555/u;nrpe 5666/t;nsca 5667/t;canna 5680/t;\
    syslog-tls 6514/t;sane-port 6566/t;sane 6566/t*;saned 6566/t*;ircd 6667/t;zope-ftp 8021/t;\
    tproxy 8081/t;omniorb 8088/t;clc-build-daemon 8990/t;xinetd 9098/t;git 9418/t;zope 9673/t;\
    webmin 10000/t;kamanda 10081/t;amandaidx 10082/t;amidxtape 10083/t;sgi-cmsd 17001/u;\
    sgi-crsd 17002/u;sgi-gcd 17003/u;sgi-cad 17004/t;binkp 24554/t;asp 27374/t,u;csync2 30865/t;\
    dircproxy 57000/t;tfido 60177/t;fido 60179/t
    """

  private static let services: [Service] = text.split(separator: ";").compactMap { entry in
    let parts = entry.split { $0 == " " || $0 == "/" }
    guard parts.count == 3, let port = UInt16(parts[1]) else { return nil }
    let isAlias = parts[2].hasSuffix("*")
    return Service(
      name: parts[0],
      port: port,
      protocols: isAlias ? parts[2].dropLast() : parts[2],
      isAlias: isAlias
    )
  }

  /// The port of a name; without a protocol that of the first entry.
  static func port(_ name: String, protocol: String?) -> UInt16? {
    let letter = `protocol`.flatMap(letter)
    if `protocol` != nil, letter == nil { return nil }
    return services.first { service in
      service.name == name && letter.map { service.protocols.contains($0) } ?? true
    }?.port
  }

  /// The name of a port of a protocol, or nil.
  static func name(_ port: UInt16, protocol: String) -> String? {
    guard let letter = letter(`protocol`) else { return nil }
    return services.first {
      $0.port == port && !$0.isAlias && $0.protocols.contains(letter)
    }.map { String($0.name) }
  }

  /// The name of a port of UDP or TCP, or nil.
  static func name(_ port: UInt16, isUDP: Bool) -> String? {
    name(port, protocol: isUDP ? "udp" : "tcp")
  }

  /// The port of a name, whatever the protocol.
  static func port(_ name: String) -> UInt16? { port(name, protocol: nil) }

  private static func letter(_ name: String) -> Character? {
    switch name {
    case "tcp": "t"
    case "udp": "u"
    case "sctp": "s"
    case "dccp": "d"
    default: nil
    }
  }
}
