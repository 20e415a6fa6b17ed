import Hopyard
import LabSupport
import Testing

/// dockerd's rules, ports, subnets and files against what dockerd itself made of the same input.
@Suite struct DockerRuleOracleTests {
  @Test(.oracle("docker/iptabler")) func rulesOfOneNetwork() throws {
    var tally = OracleTally("docker/iptabler/cases.json")
    for item in Given(try Oracles.json("docker/iptabler/cases.json"))["cases"].items {
      tally.check(item["id"].text) {
        let expected = try Oracles.text("docker/iptabler/" + item["expected"].text)
        let family: RuleFamily = item["family"].text == "ipv6" ? .ipv6 : .ipv4
        return difference(expected, try rules(item, family))
      }
    }
    tally.finish()
  }

  private func rules(_ item: Given, _ family: RuleFamily) throws -> String {
    let host = DockerTestHost()
    let state = item["state"].text
    let input = item["input"]
    var options = FirewallOptions()
    if state == "family-disabled" { options.families = [] }
    options.hairpin = input["daemon"]["hairpin"].isTrue
    options.isWSL2Mirrored = input["daemon"]["wsl2_mirrored"].isTrue
    let firewall = DockerProfile.docker29.makeFirewall(in: host.root, options)
    firewall.setUp()
    if !input["network"].isMissing, state != "after-network-deleted" {
      let given = input["network"]
      var network = FirewallNetwork(bridge: given["bridge"].text)
      network.isInternal = given["internal"].isTrue
      network.icc = given["icc"].isTrue
      network.masquerades = given["masquerade"].isTrue
      let mode = GatewayMode(rawValue: given["gateway_mode"].text) ?? .nat
      // The fixed source address stands under one of several names.
      func source(_ family: String) -> IPAddress? {
        let names = ["snat_\(family)", "host_\(family)", "snat_ip_\(family)", "host_ip_\(family)"]
        return names.compactMap { IPAddress(given[$0].text) }.first
          ?? IPAddress(given["snat"][family].text)
      }
      network.ipv4 = IPv4Prefix(given["ipv4_subnet"].text).map {
        FirewallFamilyConfiguration(
          subnet: AddressMatch($0),
          mode: mode,
          hostAddress: source("ipv4")
        )
      }
      network.ipv6 = IPv6Prefix(given["ipv6_subnet"].text).map {
        FirewallFamilyConfiguration(
          subnet: AddressMatch(address: $0.address.rawValue, mask: $0.mask.rawValue),
          mode: mode,
          hostAddress: source("ipv6")
        )
      }
      firewall.add(network)
      let published = input["published"]
      let ipProtocol: IPProtocol =
        published["proto"].text == "udp" ? .udp : published["proto"].text == "sctp" ? .sctp : .tcp
      for key in ["ipv4", "ipv6"] {
        guard let address = IPAddress(input["endpoint"][key].text) else { continue }
        firewall.addEndpoint(address, of: network)
        guard let outside = IPAddress(published["host_" + key].text) else { continue }
        let port = PublishedPort(
          ipProtocol,
          address,
          UInt16(published["container_port"].integer),
          hostAddress: outside,
          hostPort: UInt16(published["host_port"].integer)
        )
        firewall.add(port, of: network)
      }
    }
    let ruleset = host.root.netfilter.ruleset(family, .nft)
    for table in [RuleTable.raw, .filter, .nat] { _ = ruleset.table(table) }
    let save = family == .ipv4 ? "iptables-save" : "ip6tables-save"
    return try ["raw", "filter", "nat"].map { try host.output([save, "-t", $0]) }.joined()
  }

  /// The first line that differs, comments and blank lines apart.
  private func difference(_ expected: String, _ actual: String) -> String? {
    func lines(_ text: String) -> [Substring] {
      text.split(separator: "\n").filter { !$0.hasPrefix("#") }
    }
    let (wanted, given) = (lines(expected), lines(actual))
    if wanted == given { return nil }
    for index in 0..<max(wanted.count, given.count) {
      let left = index < wanted.count ? wanted[index] : "(end)"
      let right = index < given.count ? given[index] : "(end)"
      if left != right { return "line \(index + 1): expected `\(left)', is `\(right)'" }
    }
    return nil
  }

  // MARK: Ports

  @Test(.oracle("docker/add_port_mappings.json")) func portMappings() throws {
    var tally = OracleTally("docker/add_port_mappings.json")
    for item in Given(try Oracles.json("docker/add_port_mappings.json"))["cases"].items {
      tally.check(item["name"].text) { try mapping(item) }
    }
    tally.finish()
  }

  private func mapping(_ item: Given) throws -> String? {
    func plain(_ text: String) -> String {
      let head = String(text.split(separator: "/").first ?? "")
      return head.hasPrefix("::ffff:") ? String(head.dropFirst(7)) : head
    }
    var publisher = PortPublisher(
      ipv4: IPv4Address(plain(item["epAddrV4"].text)),
      ipv6: IPv6Address(plain(item["epAddrV6"].text))
    )
    publisher.isRouted4 = item["gwMode4"].text == "routed"
    publisher.isRouted6 = item["gwMode6"].text == "routed"
    publisher.usesProxy = item["enableProxy"].isTrue
    if let address = IPAddress(plain(item["defHostIP"].text)) {
      publisher.defaultHostAddress = address
    }
    let requests = item["cfg"].items.map { entry in
      let binding = entry["PortBinding"]
      return PortRequest(
        UInt16(binding["Port"].integer),
        proto(binding["Proto"].text),
        hostAddress: IPAddress(binding["HostIP"].text),
        hostPort: UInt16(binding["HostPort"].integer),
        hostPortEnd: UInt16(binding["HostPortEnd"].integer)
      )
    }
    var allocator = PortAllocator()
    var notes: [String] = []
    let busy = UInt16(item["busyPortIPv4"].integer)
    let bindings: [PortBinding]
    do {
      bindings = try publisher.publish(requests, from: &allocator, notes: &notes) {
        address,
        port,
        _ in
        address.v4 == nil || port != busy || busy == 0
      }
    } catch {
      if item["expErr"].isMissing { return "refused: \(error)" }
      guard case .taken(let address, let port) = error else { return nil }
      let place = address.v4 == nil ? "[\(address)]:\(port)" : "\(address):\(port)"
      return item["expErr"].text.contains(place) ? nil : "refused: \(error)"
    }
    if !item["expErr"].isMissing { return "not refused" }
    let given = bindings.map {
      "\($0.hostAddress) \($0.hostPort ?? 0) \($0.address) \($0.port) \($0.ipProtocol.rawValue)"
    }
    let wanted = item["expPBs"].items.map { expected in
      "\(expected["HostIP"].text) \(expected["HostPort"].integer) \(expected["IP"].text) "
        + "\(expected["Port"].integer) \(proto(expected["Proto"].text).rawValue)"
    }
    if given != wanted { return "expected \(wanted), are \(given)" }
    let logs = item["expLogs"].items.map(\.text)
    return logs == notes ? nil : "expected notes \(logs), are \(notes)"
  }

  private func proto(_ text: String) -> IPProtocol {
    text == "udp" ? .udp : text == "sctp" ? .sctp : .tcp
  }

  // MARK: Subnets

  @Test(.oracle("docker/ipam.json")) func addressPools() throws {
    var tally = OracleTally("docker/ipam.json")
    let file = Given(try Oracles.json("docker/ipam.json"))
    for item in file["TestDynamicPoolAllocation"].items {
      tally.check("TestDynamicPoolAllocation/" + item["name"].text) {
        let pools = item["predefined"].items.compactMap { pool in
          Subnet(pool["Base"].text).map { SubnetAllocator.Pool($0, size: pool["Size"].integer) }
        }
        var space = SubnetAllocator(pools: pools, allocated: subnets(item["allocated"]))
        let answer: String
        do throws(SubnetAllocator.Failure) {
          let reserved = subnets(item["reserved"])
          answer = try space.allocateAny(size: item["subnetSize"].integer, reserved: reserved)
            .description
        } catch {
          answer = error == .exhausted ? "$ipamapi.ErrNoMoreSubnets" : "$ipamapi.ErrInvalidPool"
        }
        let wanted = item["expPrefix"].text + item["expErr"].text
        return answer == wanted ? nil : "expected \(wanted), is \(answer)"
      }
    }
    for (index, item) in file["TestOverlappingRequests"].items.enumerated() {
      let name = item["subnet"].text
      tally.check("TestOverlappingRequests/\(index)/\(name)") {
        let pools = SubnetAllocator.localPools + SubnetAllocator.uniqueLocalPools(seed: 1)
        var space = SubnetAllocator(pools: pools)
        for subnet in subnets(item["environment"]) { _ = try space.allocate(subnet) }
        guard let subnet = Subnet(name) else { return "cannot read \(name)" }
        let isGiven = (try? space.allocate(subnet)) != nil
        return isGiven == item["ok"].isTrue ? nil : "given: \(isGiven)"
      }
    }
    for item in file["TestRequest"].items {
      tally.check("TestRequest/\(item["subnet"].text)/\(item["numReq"].integer)") {
        guard let prefix = IPv4Prefix(item["subnet"].text) else { return "cannot read the subnet" }
        var pool = AddressPool(prefix)
        var last = ""
        for _ in 0..<item["numReq"].integer { last = try pool.allocate().description }
        return last == item["lastIP"].text ? nil : "the last is \(last)"
      }
    }
    tally.finish()
  }

  private func subnets(_ value: Given) -> [Subnet] {
    value.items.compactMap { Subnet($0.text) }
  }
}
