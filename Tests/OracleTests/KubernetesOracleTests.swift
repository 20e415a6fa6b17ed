import Foundation
import Hopyard
import LabSupport
import Testing

/// Names and resolver files of clusters.
struct KubernetesOracleTests {
  // MARK: resolv.conf

  @Test(.oracle("resolver/kubelet_dns.json")) func podResolvers() throws {
    let root = try Oracles.json("resolver/kubelet_dns.json")
    var tally = OracleTally("resolver/kubelet_dns.json")
    for item in root["cases"]?.elements ?? [] {
      let id = item["id"]?.string ?? "?"
      tally.check(id) { resolverCase(item) }
    }
    tally.finish()
  }

  private func strings(_ value: JSONValue?) -> [String] {
    (value?.elements ?? []).compactMap(\.string)
  }

  private func options(_ value: JSONValue?) -> [(name: String, value: String?)] {
    (value?.elements ?? []).map { ($0["name"]?.string ?? "", $0["value"]?.string) }
  }

  private func resolverCase(_ item: JSONValue) -> String? {
    let expect = item["expect"]
    let fails = expect?["error"]?.bool ?? false
    switch item["kind"]?.string {
    case "parse":
      guard let made = try? PodResolver(parsing: item["resolv_conf"]?.string ?? "") else {
        return fails ? nil : "an error"
      }
      if fails { return "no error" }
      return compare(made, expect)
    case "search_limits":
      let made = PodResolver.limitedSearches(
        strings(item["searches"]),
        expanded: item["expanded_dns_config"]?.bool ?? true
      )
      return made.searches == strings(expect?["searches"])
        && made.warning == expect?["warning"]?.bool ? nil : "\(made)"
    case "nameserver_limits":
      let made = PodResolver.limitedServers(strings(item["nameservers"]))
      return made.servers == strings(expect?["nameservers"])
        && made.warning == expect?["warning"]?.bool ? nil : "\(made)"
    case "merge_options":
      let made = PodResolver.merged(strings(item["options"]), options(item["dnsConfig_options"]))
      return Set(made) == Set(strings(expect?["options_as_a_set"])) ? nil : "\(made)"
    case "dns_type":
      let made = try? PodResolver.kind(
        policy: item["dnsPolicy"]?.string ?? "",
        usesHostNetwork: item["hostNetwork"]?.bool ?? false,
        hasClusterDNS: item["cluster_dns"]?.bool ?? false
      )
      return made?.rawValue == expect?["type"]?.string ? nil : "\(String(describing: made))"
    case "pod_dns":
      var config: PodDNSConfig?
      if let own = item["pod"]?["dnsConfig"] {
        config = PodDNSConfig()
        config?.nameservers = strings(own["nameservers"])
        config?.searches = strings(own["searches"])
        config?.options = options(own["options"])
      }
      let kubelet = item["kubelet"]
      let made = try? PodResolver.of(
        namespace: item["pod"]?["namespace"]?.string ?? "",
        policy: item["pod"]?["dnsPolicy"]?.string ?? "",
        usesHostNetwork: item["pod"]?["hostNetwork"]?.bool ?? false,
        config: config,
        clusterDNS: strings(kubelet?["clusterDNS"]),
        clusterDomain: kubelet?["clusterDomain"]?.string ?? "",
        node: (try? PodResolver(parsing: kubelet?["host_resolv_conf"]?.string ?? ""))
          ?? PodResolver()
      )
      guard let made else { return fails ? nil : "an error" }
      return compare(made, expect)
    case let kind: return "no such kind \(kind ?? "")"
    }
  }

  private func compare(_ made: PodResolver, _ expect: JSONValue?) -> String? {
    if let servers = expect?["nameservers"], strings(servers) != made.nameservers {
      return "nameservers \(made.nameservers)"
    }
    if let searches = expect?["searches"], strings(searches) != made.searches {
      return "searches \(made.searches)"
    }
    if let options = expect?["options"], strings(options) != made.options {
      return "options \(made.options)"
    }
    if let options = expect?["options_as_a_set"], Set(strings(options)) != Set(made.options) {
      return "options \(made.options)"
    }
    return nil
  }

  // MARK: CNI

  @Test(.oracle("cni/portmap.json")) func portMappings() throws {
    let root = try Oracles.json("cni/portmap.json")
    var tally = OracleTally("cni/portmap.json")
    let container = root["containerID"]?.string ?? ""
    for item in root["cases"]?.elements ?? [] {
      let id = item["id"]?.string ?? "?"
      if item["backend"]?.string == "nftables" {
        tally.note(id, .skip("nftables"))
        continue
      }
      tally.check(id) { portMapCase(item, container) }
    }
    tally.finish()
  }

  private func portMapCase(_ item: JSONValue, _ container: String) -> String? {
    let config = item["config"]
    let parts = (item["container_ip"]?.string ?? "10.0.0.2/24").split(separator: "/")
    guard let address = KubeAddress.parse(String(parts[0])), let length = Int(parts.last ?? "")
    else { return "no address" }
    let isV6 = address.v6 != nil
    let mappings = (config?["runtimeConfig"]?["portMappings"]?.elements ?? []).map { port in
      CNIRequest.PortMapping(
        hostPort: UInt16(clamping: port["hostPort"]?.int ?? 0),
        containerPort: UInt16(clamping: port["containerPort"]?.int ?? 0),
        ipProtocol: port["protocol"]?.string == "udp" ? .udp : .tcp,
        hostIP: port["hostIP"]?.string ?? ""
      )
    }
    let rules = PortMapRules(
      network: item["network"]?.string ?? "",
      containerID: container,
      address: address,
      prefixLength: length,
      mappings: mappings,
      masquerades: config?["snat"]?.bool ?? true,
      markChain: config?["externalSetMarkChain"]?.string,
      conditions: strings(config?[isV6 ? "conditionsV6" : "conditionsV4"])
    )
    let expect = item["expect"]
    if let chain = expect?["chain"]?.string, chain != rules.chain { return rules.chain }
    func text(_ words: [String]) -> String {
      words.map { word in
        word.contains(" ") ? "\"" + word.replacing("\"", with: "\\\"") + "\"" : word
      }.joined(separator: " ")
    }
    if let lines = expect?["rules"], strings(lines) != rules.rules.map(text) {
      return "\(rules.rules.map(text))"
    }
    if let lines = expect?["entry_rules"], strings(lines) != rules.entries.map(text) {
      return "\(rules.entries.map(text))"
    }
    return nil
  }

  @Test(.oracle("cni/flannel.json")) func flannelRules() throws {
    let root = try Oracles.json("cni/flannel.json")
    var tally = OracleTally("cni/flannel.json")
    for item in root["cases"]?.elements ?? [] {
      let id = item["id"]?.string ?? "?"
      let lines = strings(item["lines"])
      guard lines.first?.hasPrefix("-") ?? false else {
        tally.note(id, .skip("nftables"))
        continue
      }
      if lines.contains(where: { $0.contains("{flannelIPv6Net}") || $0.contains("ff00") }) {
        tally.note(id, .skip("IPv6"))
        continue
      }
      tally.check(id) { try flannelCase(lines) }
    }
    tally.finish()
  }

  private func flannelCase(_ lines: [String]) throws -> String? {
    let simulation = Simulation(seed: 1)
    let bench = try ClusterLAN(
      simulation: simulation,
      nodes: 1,
      commands: CommandTable.labCommands()
    )
    guard let node = bench.cluster.nodes.first else { return "no node" }
    let isForward = lines.contains { $0.contains("FLANNEL-FWD") }
    let own = isForward ? "FLANNEL-FWD" : "FLANNEL-POSTRTG"
    let table = isForward ? "filter" : "nat"
    var output = ""
    for chain in [isForward ? "FORWARD" : "POSTROUTING", own] {
      let process = node.userland.makeProcess()
      let sink = OutputSink()
      process.setDescriptor(1, sink)
      process.setDescriptor(2, sink)
      let child = try process.spawn(["iptables", "-t", table, "-S", chain])
      for _ in 0..<100 where child.exitStatus == nil {
        _ = simulation.run(until: simulation.now + .milliseconds(10))
      }
      output += String(decoding: sink.bytes, as: UTF8.self)
    }
    let made = output.split(separator: "\n").map(String.init).filter { line in
      line.contains(own)
    }
    let wanted = lines.map { line in
      line.replacing("{podCIDR}", with: node.podNetwork.description)
        .replacing("{network}", with: bench.cluster.options.podNetwork.description)
        .replacing("{flannelNet}", with: bench.cluster.options.podNetwork.description)
        .replacing("{multicast}", with: "224.0.0.0/4")
    }
    return made == wanted ? nil : "\(made.joined(separator: "\n")) instead of \(wanted)"
  }
}
