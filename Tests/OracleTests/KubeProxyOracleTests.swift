import Foundation
import Hopyard
import LabSupport
import Testing

/// The rules that kube-proxy writes, and where packets end under them.
@Suite(.oracle("kube-proxy"))
struct KubeProxyOracleTests {
  private typealias Entry = (service: ProxyService, endpoints: [ProxyEndpoint])

  // MARK: Reading

  private func objects(_ json: JSONValue?) throws -> [KubeObject] {
    try (json?.elements ?? []).flatMap { item in
      try Manifests.read(JSONText.text(item), file: "case")
    }
  }

  private func entries(_ objects: [KubeObject], _ family: RuleFamily, honoursIPMode: Bool)
    -> [Entry]
  {
    objects.filter { $0.kind == "Service" }.flatMap { object -> [Entry] in
      let slices = objects.filter {
        $0.slice?.service == object.meta.name && $0.meta.namespace == object.meta.namespace
      }.compactMap(\.slice)
      return ProxyService.ports(of: object, family: family, honoursIPMode: honoursIPMode).map {
        ($0, ProxyEndpoint.list(slices, for: $0))
      }
    }
  }

  private func configuration(_ json: JSONValue?, isText: Bool) -> ProxyConfiguration {
    var made = ProxyConfiguration()
    made.nodeName = json?["nodeName"]?.string ?? "test-node"
    if json?["family"]?.string == "IPv6" { made.family = .ipv6 }
    if let network = json?["clusterCIDR"]?.string.flatMap({ KubePrefix($0) }),
      json?["localDetector"]?.string != "none"
    {
      made.detector = .network(network)
    }
    made.masqueradesAll = json?["masqueradeAll"]?.bool ?? false
    made.localhostNodePorts = json?["localhostNodePorts"]?.bool ?? true
    made.accounting = json?["nfacct"]?.bool ?? isText
    made.randomFully = false
    made.nodePortAddresses = (json?["nodePortAddresses"]?.elements ?? [])
      .compactMap { $0.string.flatMap { KubePrefix($0) } }
    let nodes =
      json?["nodeIPs"]?.elements.compactMap(\.string) ?? [
        "192.168.0.2", "192.168.1.2", "192.168.99.11", "2001:db8::1", "2001:db8:1::2",
      ]
    made.nodeAddresses = nodes.compactMap { KubeAddress.parse($0) }
      .filter { $0.family == made.family }
    return made
  }

  private func chains(_ text: String) -> [String: [String]] {
    var chains: [String: [String]] = [:]
    var table = ""
    for line in text.split(separator: "\n") {
      if line.hasPrefix("*") { table = String(line.dropFirst()) }
      if line.hasPrefix(":") {
        chains["\(table) \(line.dropFirst().prefix { $0 != " " })"] = []
      }
      if line.hasPrefix("-A ") {
        let name = line.dropFirst(3).prefix { $0 != " " }
        chains["\(table) \(name)", default: []].append(String(line))
      }
    }
    return chains
  }

  // MARK: Rules

  @Test func rules() throws {
    let root = try Oracles.json("kube-proxy/rules.json")
    var tally = OracleTally("kube-proxy/rules.json")
    for item in root["cases"]?.elements ?? [] {
      let id = item["id"]?.string ?? "?"
      if let matrix = item["matrix"] {
        for (index, row) in matrix.elements.enumerated() {
          tally.check("\(id)/\(index)") { matrixRow(row) }
        }
        continue
      }
      tally.check(id) {
        guard let file = item["expected_iptables_restore"]?.string else { return "no file" }
        var configuration = configuration(item["config"], isText: true)
        configuration.accounting = true
        let all = try objects(item["services"]) + objects(item["endpointSlices"])
        let ruleset = ProxyRuleset(
          configuration,
          entries(all, configuration.family, honoursIPMode: true)
        )
        let expected = chains(try Oracles.text("kube-proxy/\(file)"))
        let made = chains(ruleset.restoreText)
        for name in Set(expected.keys).union(made.keys).sorted() where expected[name] != made[name]
        {
          let want = expected[name] ?? ["no chain"]
          let have = made[name] ?? ["no chain"]
          let at = zip(want, have).first { $0 != $1 }
          return "\(name): \(at?.1 ?? "\(have.count) rules"), expected \(at?.0 ?? "\(want.count)")"
        }
        return nil
      }
    }
    for member in root["statistic_probability"]?.members ?? [] {
      tally.check("probability/\(member.name)") {
        let text = ProxyRule.probability(Int(member.name) ?? 0)
        return text == member.value.string ? nil : text
      }
    }
    for (index, vector) in (root["chain_hash_vectors"]?.elements ?? []).enumerated() {
      tally.check("chain/\(index)") {
        let text = (vector["service"]?.string ?? "") + (vector["protocol"]?.string ?? "")
        let endpoint = vector["endpoint"]?.string
        let name =
          (endpoint == nil ? "KUBE-SVC-" : "KUBE-SEP-") + ProxyService.hash(text + (endpoint ?? ""))
        return name == vector["chain"]?.string ? nil : name
      }
    }
    tally.finish()
  }

  private func matrixRow(_ row: JSONValue) -> String? {
    var configuration = ProxyConfiguration()
    configuration.accounting = row["nfacct"]?.bool ?? false
    configuration.isConntrackLiberal = row["tcpLiberal"]?.bool ?? false
    configuration.randomFully = row["randomFully"]?.bool ?? false
    let made = chains(ProxyRuleset(configuration, []).restoreText)
    if let suffix = row["suffix"]?.string {
      let line = made["nat KUBE-POSTROUTING"]?.last ?? ""
      return line.hasSuffix("-j MASQUERADE" + suffix) ? nil : line
    }
    let first = made["filter KUBE-FORWARD"]?.first
    if let expected = row["KUBE-FORWARD[0]"]?.string {
      return first == expected ? nil : first ?? "no rule"
    }
    return first?.contains("INVALID") == true ? first : nil
  }

  // MARK: Flows

  @Test func flows() throws {
    let root = try Oracles.json("kube-proxy/flows.json")
    var tally = OracleTally("kube-proxy/flows.json")
    for item in root["cases"]?.elements ?? [] {
      let id = item["id"]?.string ?? "?"
      let config = item["config"]
      let modes = item["modes"]?.elements.compactMap(\.string) ?? ["iptables"]
      var all = try objects(item["services"]) + objects(item["endpointSlices"])
      let configuration = configuration(config, isText: false)
      let honours = config?["featureGate LoadBalancerIPMode"]?.bool ?? true
      func entriesNow() -> [Entry] {
        entries(all, configuration.family, honoursIPMode: honours)
      }
      if let wanted = item["expect_rule_with_destination"] {
        tally.check("\(id)/rule") {
          let chain = "\(wanted["table"]?.string ?? "") \(wanted["chain"]?.string ?? "")"
          let lines = chains(ProxyRuleset(configuration, entriesNow()).restoreText)[chain] ?? []
          let target = "-d \(wanted["destination"]?.string ?? "") "
          let isPresent = lines.contains { $0.contains(target) }
          return isPresent == wanted["present"]?.bool ? nil : "present: \(isPresent)"
        }
      }
      if let text = config?["expect_KUBE-FIREWALL"]?.string {
        tally.check("\(id)/KUBE-FIREWALL") {
          let lines = chains(ProxyRuleset(configuration, entriesNow()).restoreText)[
            "filter KUBE-FIREWALL"
          ]
          let made = (lines ?? []).joined(separator: "\n")
          return made == text ? nil : made
        }
      }
      var list: [(String, JSONValue, [Entry])] = []
      for flow in item["flows"]?.elements ?? [] { list.append((id, flow, entriesNow())) }
      if let more = item["flows_only_in_mode"]?["iptables"] {
        for flow in more.elements { list.append((id, flow, entriesNow())) }
      }
      for step in item["then"]?.elements ?? [] {
        let words = (step["action"]?.string ?? "").split(separator: " ").map(String.init)
        if words.count == 3, words[0] == "delete" {
          all.removeAll {
            $0.kind.lowercased() == words[1] && "\($0.meta.namespace)/\($0.meta.name)" == words[2]
          }
        }
        for flow in step["flows"]?.elements ?? [] {
          list.append(("\(id)/\(step["action"]?.string ?? "")", flow, entriesNow()))
        }
      }
      for (prefix, flow, entries) in list {
        let name = "\(prefix)/\(flow["name"]?.string ?? "?")"
        if !modes.contains("iptables") {
          tally.note(name, .skip("nftables mode"))
        } else if flow["dst"]?.string?.contains(":") ?? false {
          tally.note(name, .skip("IPv6"))
        } else {
          tally.check(name) { try ProxyFlow(configuration, entries).run(flow) }
        }
      }
    }
    tally.finish()
  }
}
