import Foundation
import Hopyard
import LabSupport
import Testing

/// What CoreDNS answers for the names of a cluster.
@Suite(.oracle("coredns"))
struct CoreDNSOracleTests {
  /// A cluster's names, from a list of objects.
  private final class World: ClusterNames {
    let namespaces: Set<String>
    let objects: [KubeObject]

    init(_ namespaces: Set<String>, _ objects: [KubeObject]) {
      self.namespaces = namespaces
      self.objects = objects
    }

    func hasNamespace(_ name: String) -> Bool { namespaces.contains(name) }

    func service(_ namespace: String, _ name: String) -> KubeObject? {
      objects.first {
        $0.service != nil && $0.meta.namespace == namespace && $0.meta.name == name
      }
    }

    private func has(_ texts: [String], _ address: IPAddress) -> Bool {
      texts.contains { KubeAddress.parse($0) == address }
    }

    func services(withAddress address: IPAddress) -> [KubeObject] {
      objects.filter { has($0.service?.clusterIPs ?? [], address) }
    }

    func slices(_ namespace: String, _ service: String) -> [KubeObject] {
      objects.filter { $0.slice?.service == service && $0.meta.namespace == namespace }
    }

    func slices(withEndpoint address: IPAddress) -> [KubeObject] {
      objects.filter { object in
        object.slice?.endpoints.contains { has($0.addresses, address) } ?? false
      }
    }

    func hasPod(_ namespace: String, address: IPAddress) -> Bool {
      objects.contains {
        $0.kind == "Pod" && $0.meta.namespace == namespace
          && has([$0.source["status"]?["podIP"]?.text ?? ""], address)
      }
    }
  }

  /// A ServiceImport is to a name what a Service is.
  private func object(_ item: JSONValue) throws -> [KubeObject] {
    var text = JSONText.text(item)
    if item["kind"]?.string == "ServiceImport" {
      let addresses = item["spec"]?["ips"]?.elements.compactMap(\.string) ?? []
      let isHeadless = item["spec"]?["type"]?.string == "Headless"
      let list = isHeadless ? "\"None\"" : addresses.map { "\"\($0)\"" }.joined(separator: ",")
      let ports = item["spec"]?["ports"].map { JSONText.text($0) } ?? "[]"
      text =
        "{\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": "
        + JSONText.text(item["metadata"] ?? .null)
        + ", \"spec\": {\"clusterIPs\": [\(list)], \"ports\": \(ports)}}"
    }
    if item["kind"]?.string == "Pod", item["spec"]?["containers"] == nil {
      text =
        "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": "
        + JSONText.text(item["metadata"] ?? .null) + ", \"spec\": {\"containers\": "
        + "[{\"name\": \"a\"}]}, \"status\": " + JSONText.text(item["status"] ?? .null) + "}"
    }
    return try Manifests.read(text, file: "world")
  }

  private func zone(_ world: JSONValue) throws -> ClusterZone {
    let config = world["config"]
    var options = ClusterZone.Options()
    options.zones = (config?["zones"]?.elements ?? []).compactMap {
      $0.string.flatMap { DNSName($0) }
    }
    if options.zones.isEmpty { options.zones = [DNSName("cluster.local.")].compactMap { $0 } }
    options.ttl = UInt32(config?["ttl"]?.int ?? 5)
    options.pods = ClusterZone.Pods(rawValue: config?["pods"]?.string ?? "disabled") ?? .disabled
    options.namespaces = Set((config?["namespaces"]?.elements ?? []).compactMap(\.string))
    options.isMulticluster = !(config?["multicluster"]?.elements ?? []).isEmpty
    options.isZonal = config?["zonal"]?.bool ?? false
    options.ignoresEmptyServices =
      config?["ignore_empty_service"]?.bool ?? config?["ignoreEmptyService"]?.bool ?? false
    options.usesPodNames = config?["endpoint_pod_names"]?.bool ?? false
    options.serverAddresses = (world["dns_server_ips"]?.elements ?? [])
      .compactMap { $0.string.flatMap { KubeAddress.parse($0) } }
    let names = Set((world["namespaces"]?.elements ?? []).compactMap(\.string))
    let objects = try (world["objects"]?.elements ?? []).flatMap { try object($0) }
    let zone = ClusterZone(options, World(names, objects))
    zone.isSynced = world["api_synced"]?.bool ?? true
    return zone
  }

  /// A record as a line with single spaces; of a SOA only what upstream compares.
  private func line(_ text: String) -> String {
    var words = text.split { $0 == " " || $0 == "\t" }.map(String.init)
    if words.count > 4, words[3] == "SOA" { words = Array(words.prefix(5)) }
    if words.count > 4, words[3] == "TXT" { words[4] = words[4].replacing("\"", with: "") }
    return words.joined(separator: " ")
  }

  private func answer(_ zone: ClusterZone, _ query: DNSMessage) -> DNSMessage? {
    let simulation = Simulation(seed: 1)
    var response: DNSMessage?
    simulation.spawn { response = await zone.respond(to: query) }
    _ = simulation.run(until: simulation.now + .seconds(10))
    return response
  }

  @Test func queries() throws {
    let root = try Oracles.json("coredns/queries.json")
    var tally = OracleTally("coredns/queries.json")
    for item in root["cases"]?.elements ?? [] {
      let id = item["id"]?.string ?? "?"
      tally.check(id) {
        for name in item["worlds"]?.elements.compactMap(\.string) ?? [] {
          guard let world = root["worlds"]?[name] else { return "no world \(name)" }
          if let wrong = try check(item, world) { return "\(name): \(wrong)" }
        }
        return nil
      }
    }
    tally.finish()
  }

  private func check(_ item: JSONValue, _ world: JSONValue) throws -> String? {
    let zone = try zone(world)
    guard let name = item["query"]?["name"]?.string.flatMap({ DNSName($0) }),
      let type = item["query"]?["type"]?.string.flatMap({ DNSRecordType($0) })
    else { return "not a query" }
    let upstream = (item["upstream_answers"]?.elements ?? []).compactMap(\.string)
    zone.upstream = { question in
      var response = DNSMessage(query: question.name, question.type, id: 1).response()
      response.answers = upstream.compactMap { Self.record($0) }
        .filter { $0.type == question.type || $0.type == .cname }
      return response
    }
    guard let response = answer(zone, DNSMessage(query: name, type, id: 9)) else {
      return "no answer"
    }
    let expect = item["expect"]
    if "\(response.responseCode)" != expect?["rcode"]?.string {
      return "\(response.responseCode), expected \(expect?["rcode"]?.string ?? "")"
    }
    for (section, records) in [
      ("answer", response.answers), ("authority", response.authorities),
      ("additional", response.additionals),
    ] {
      guard let wanted = expect?[section] else { continue }
      let lines = wanted.elements.compactMap(\.string).map(line).sorted()
      let made = records.map { line($0.description) }.sorted()
      if lines != made { return "\(section) \(made), expected \(lines)" }
    }
    return nil
  }

  @Test func pluginTables() throws {
    let root = try Oracles.json("coredns/plugin_tables.json")
    var tally = OracleTally("coredns/plugin_tables.json")
    for item in root["cases"]?.elements ?? [] {
      let table = item["table"]?.string ?? "?"
      let id = "\(table)/\(item["row"]?.int ?? 0)"
      guard let data = item["data"] else { continue }
      switch table.split(separator: ":").last.map(String.init) ?? "" {
      case "TestParseRequest.tests": tally.check(id) { parseRow(data, isValid: true) }
      case "TestParseInvalidRequest.zonalInvalid", "TestParseInvalidRequest.invalid":
        tally.check(id) { parseRow(data, isValid: false) }
      case "TestEndpointHostname.tests": tally.check(id) { hostnameRow(data) }
      case "TestExtractAddressFromReverse.tests":
        tally.check(id) {
          let name = DNSName(data["reverseName"]?.string ?? "")
          let made = name.flatMap { ClusterZone.address(ofReverse: $0) }?.description ?? ""
          return made == data["expectedAddress"]?.string ? nil : made
        }
      default: tally.note(id, .skip(String(table.split(separator: "/").dropLast().last ?? "")))
      }
    }
    tally.finish()
  }

  private func parseRow(_ data: JSONValue, isValid: Bool) -> String? {
    let labels = (data["query"]?.string ?? "").split(separator: ".").map(String.init)
    let made = ClusterQuery(
      Array(labels.dropLast(3)),
      isZonal: data["zonal"]?.bool ?? !isValid,
      isMulticluster: data["multicluster"]?.bool ?? false
    )
    if !isValid { return made == nil ? nil : made?.text }
    return made?.text == data["expected"]?.string && made?.zoneName == data["zone"]?.string
      ? nil : "\(made?.text ?? "none") \(made?.zoneName ?? "")"
  }

  private func hostnameRow(_ data: JSONValue) -> String? {
    guard let address = KubeAddress.parse(data["ip"]?.string ?? "") else { return "no address" }
    var options = ClusterZone.Options()
    options.usesPodNames = data["endpointNameMode"]?.bool ?? false
    var endpoint = EndpointSlice.Endpoint(addresses: ["\(address)"])
    endpoint.hostname = data["hostname"]?.string ?? ""
    endpoint.pod = data["podName"]?.string
    let made = ClusterZone(options, World([], [])).hostname(endpoint, address)
    return made == data["expected"]?.string ? nil : made
  }

  private static func record(_ text: String) -> DNSRecord? {
    let words = text.split { $0 == " " || $0 == "\t" }.map(String.init)
    guard words.count >= 5, let name = DNSName(words[0]), let ttl = UInt32(words[1]) else {
      return nil
    }
    switch words[3] {
    case "A": return IPv4Address(words[4]).map { DNSRecord(name, ttl: ttl, .a($0)) }
    case "AAAA": return IPv6Address(words[4]).map { DNSRecord(name, ttl: ttl, .aaaa($0)) }
    case "CNAME": return DNSName(words[4]).map { DNSRecord(name, ttl: ttl, .cname($0)) }
    default: return nil
    }
  }
}

extension KubeValue {
  fileprivate var text: String? { if case .string(let text) = self { text } else { nil } }
}
