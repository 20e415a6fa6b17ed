import HopyardDocker
import HopyardUserland
import HopyardWire
import Testing

/// Compose files: what is read from them, and what is refused.
@Suite struct ComposeTests {
  private func load(
    _ text: String,
    files: [String: String] = [:],
    environment: [String: String] = [:],
    profiles: [String] = []
  ) throws -> ComposeProject {
    var all = files
    all["shop/compose.yaml"] = text
    var loader = ComposeLoader { all[$0] }
    loader.environment = environment
    loader.profiles = profiles
    return try loader.load(["shop/compose.yaml"])
  }

  @Test func aProjectIsNamedAfterItsDirectory() throws {
    let project = try load("services: {web: {image: nginx}}\n")
    #expect(project.name == "shop")
    #expect(project.networks.map(\.specification.name) == ["shop_default"])
    #expect(try load("name: my-shop\nservices: {web: {image: nginx}}\n").name == "my-shop")
  }

  @Test(arguments: [
    ("${A}", "x"), ("$A", "x"), ("${B:-d}", "d"), ("${E:-d}", "d"), ("${E-d}", ""),
    ("${B:-${A}}", "x"), ("$$A", "$A"), ("${A:+y}", "y"), ("${B:+y}", ""), ("a${A}b", "axb"),
  ])
  func variables(_ text: String, _ value: String) throws {
    let project = try load(
      "services: {web: {image: \"i\(text)\"}}\n",
      environment: ["A": "x", "E": ""]
    )
    #expect(project.services[0].container.image == "i" + value)
  }

  @Test func dotEnvYieldsToTheEnvironment() throws {
    let files = ["shop/.env": "# tags\nTAG=1.0\nexport NAME='a b'\nBOTH=\"${TAG}-x\"\n"]
    let text = "services: {web: {image: \"i:${TAG}\", hostname: \"${BOTH}\"}}\n"
    let plain = try load(text, files: files)
    #expect(plain.services[0].container.image == "i:1.0")
    #expect(plain.services[0].container.hostname == "1.0-x")
    let over = try load(text, files: files, environment: ["TAG": "2"])
    #expect(over.services[0].container.image == "i:2")
  }

  @Test(arguments: [
    ("80", [(80, 0, 0, "")]), ("8080:80", [(80, 8080, 8080, "")]),
    ("127.0.0.1:8080:80", [(80, 8080, 8080, "127.0.0.1")]),
    ("127.0.0.1::80", [(80, 0, 0, "127.0.0.1")]), ("8000-8010:80", [(80, 8000, 8010, "")]),
    ("8000-8001:80-81", [(80, 8000, 8000, ""), (81, 8001, 8001, "")]),
    ("[::1]:8080:80", [(80, 8080, 8080, "::1")]),
  ])
  func shortPorts(_ text: String, _ wanted: [(Int, Int, Int, String)]) throws {
    let project = try load("services: {web: {image: nginx, ports: [\"\(text)\"]}}\n")
    let given = project.services[0].container.ports.map {
      "\($0.port) \($0.hostPort) \($0.hostPortEnd) \($0.hostAddress.map { "\($0)" } ?? "")"
    }
    #expect(given == wanted.map { "\($0.0) \($0.1) \($0.2) \($0.3)" })
  }

  @Test func longPortsAndNetworks() throws {
    let text = """
      services:
        db:
          image: postgres
          ports:
            - target: 5432
              published: "15432"
              host_ip: 127.0.0.1
              protocol: tcp
          networks:
            back:
              aliases: [database]
              ipv4_address: 10.5.0.9
      networks:
        back:
          internal: true
          ipam:
            config:
              - subnet: 10.5.0.0/24
                gateway: 10.5.0.254
      """
    let project = try load(text)
    let service = project.services[0]
    #expect(service.networks[0].aliases == ["database"])
    #expect(service.networks[0].address == IPv4Address(10, 5, 0, 9))
    #expect(service.container.ports[0].hostPort == 15432)
    let network = try #require(project.network("back"))
    #expect(network.specification.isInternal)
    #expect(network.specification.gateways == [.v4(IPv4Address(10, 5, 0, 254))])
  }

  @Test func profilesChooseServices() throws {
    let text = "services: {a: {image: x}, b: {image: y, profiles: [seed]}}\n"
    #expect(try load(text).services.map(\.name) == ["a"])
    #expect(try load(text, profiles: ["seed"]).services.map(\.name) == ["a", "b"])
  }

  @Test func extendsAndIncludeBringOtherFiles() throws {
    let files = [
      "shop/base.yaml":
        "services: {base: {image: nginx, environment: {A: '1'}, ports: ['80:80']}}\n",
      "shop/more.yaml": "services: {extra: {image: redis}}\n",
    ]
    let text = """
      include: [more.yaml]
      services:
        web:
          extends: {file: base.yaml, service: base}
          environment: [B=2]
      """
    let project = try load(text, files: files)
    #expect(Set(project.services.map(\.name)) == ["web", "extra"])
    let web = try #require(project.service("web"))
    #expect(web.container.environment.map(\.name) == ["A", "B"])
    #expect(web.container.ports.count == 1)
  }

  @Test(arguments: [
    ("services: {web: {image: x, prots: []}}", "1:28: unknown key `prots' in service `web'"),
    ("services: {web: {}}", "1:17: service \"web\" has neither an image nor a build context"),
    ("services: {web: {image: x, ports: ['99999']}}", "1:36: invalid port `99999' in `99999'"),
    ("services: {a: {image: x, depends_on: [b]}}", "1:12: service \"a\" depends on undefined"),
    (
      "services: {a: {image: x, networks: [n]}}",
      "1:12: service \"a\" refers to undefined network n"
    ),
    (
      "services: {a: {image: x, depends_on: [b]}, b: {image: y, depends_on: [a]}}",
      "1:12: dependency cycle detected: a -> b -> a"
    ), ("services: {a: {image: 'x${'}}", "1:23: invalid interpolation format in `x${'"),
    ("services: {a: {image: '${X:?no x}'}}", "1:23: required variable X is missing a value: no x"),
    (
      "services: {a: {image: x, network_mode: host, networks: [n]}}",
      "1:56: service a declares mutually exclusive"
    ), ("networks: {n: {driver: ipvlan}}\nservices: {a: {image: x}}", "1:24: the driver ipvlan"),
  ])
  func mistakesAreToldWithTheirPlace(_ text: String, _ message: String) {
    #expect { try load(text) } throws: {
      "\($0)".hasPrefix("shop/compose.yaml:" + message)
    }
  }
}
