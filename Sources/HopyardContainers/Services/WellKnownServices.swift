public import HopyardWire

/// What images and ports are known to serve.
public enum WellKnownServices {
  /// The ports on which an image listens when nothing else is said, by the last part of its name.
  public static func ports(ofImage image: String) -> [ServicePort] {
    images[baseName(ofImage: image)]?.map {
      ServicePort($0, $1, guess(port: $0, $1, image: image))
    } ?? []
  }

  /// The last part of an image's name without registry, tag and digest.
  public static func baseName(ofImage image: String) -> String {
    let path = image.split(separator: "@").first ?? ""
    let last = path.split(separator: "/").last ?? ""
    return String(last.split(separator: ":").first ?? "").lowercased()
  }

  /// What is spoken on a port of an image.
  public static func guess(port: UInt16, _ ipProtocol: IPProtocol, image: String = "")
    -> ServiceProtocol
  {
    if ipProtocol == .udp { return port == 53 ? .dns : .echo }
    if ipProtocol != .tcp { return .echo }
    if imageServices.contains(where: { $0.1 == port }) {
      let name = baseName(ofImage: image)
      for (word, port_, service) in imageServices where port == port_ && name.contains(word) {
        return service
      }
    }
    return ports[port] ?? .echo
  }

  private static let imageServices: [(String, UInt16, ServiceProtocol)] = [
    ("postgres", 5432, .postgres), ("timescale", 5432, .postgres), ("postgis", 5432, .postgres),
    ("mysql", 3306, .mysql), ("mariadb", 3306, .mysql), ("redis", 6379, .redis),
    ("valkey", 6379, .redis), ("keydb", 6379, .redis), ("memcached", 11_211, .memcached),
  ]

  private static let ports: [UInt16: ServiceProtocol] = [
    21: .ftp, 22: .ssh, 25: .smtp, 53: .dns, 80: .http, 81: .http, 587: .smtp, 1025: .smtp,
    1080: .http, 2019: .http, 2375: .http, 2379: .http, 3000: .http, 3001: .http, 3100: .http,
    3306: .mysql, 4000: .http, 4200: .http, 5000: .http, 5001: .http, 5173: .http,
    5432: .postgres, 5601: .http, 5984: .http, 6379: .redis, 7474: .http, 8000: .http,
    8001: .http, 8008: .http, 8025: .http, 8069: .http, 8080: .http, 8081: .http, 8082: .http,
    8083: .http, 8086: .http, 8088: .http, 8089: .http, 8090: .http, 8096: .http, 8123: .http,
    8161: .http, 8181: .http, 8200: .http, 8222: .http, 8384: .http, 8500: .http, 8501: .http,
    8529: .http, 8888: .http, 9000: .http, 9001: .http, 9090: .http, 9091: .http, 9093: .http,
    9100: .http, 9153: .http, 9200: .http, 9411: .http, 11_211: .memcached, 15_672: .http,
    16_686: .http, 19_999: .http, 2368: .http, 10_254: .http, 32_400: .http,
  ]

  private static let images: [String: [(UInt16, IPProtocol)]] = [
    "nginx": [(80, .tcp)], "httpd": [(80, .tcp)], "caddy": [(80, .tcp), (443, .tcp), (2019, .tcp)],
    "traefik": [(80, .tcp)], "whoami": [(80, .tcp)], "wordpress": [(80, .tcp)],
    "phpmyadmin": [(80, .tcp)], "nextcloud": [(80, .tcp)], "drupal": [(80, .tcp)],
    "adminer": [(8080, .tcp)], "tomcat": [(8080, .tcp)], "jenkins": [(8080, .tcp), (50_000, .tcp)],
    "postgres": [(5432, .tcp)], "postgis": [(5432, .tcp)], "timescaledb": [(5432, .tcp)],
    "mysql": [(3306, .tcp), (33_060, .tcp)], "mariadb": [(3306, .tcp)], "redis": [(6379, .tcp)],
    "valkey": [(6379, .tcp)], "keydb": [(6379, .tcp)], "memcached": [(11_211, .tcp)],
    "mongo": [(27_017, .tcp)], "rabbitmq": [(5672, .tcp), (15_692, .tcp)],
    "elasticsearch": [(9200, .tcp), (9300, .tcp)], "kibana": [(5601, .tcp)],
    "opensearch": [(9200, .tcp), (9300, .tcp)], "logstash": [(5044, .tcp), (9600, .tcp)],
    "grafana": [(3000, .tcp)], "prometheus": [(9090, .tcp)], "alertmanager": [(9093, .tcp)],
    "node-exporter": [(9100, .tcp)], "influxdb": [(8086, .tcp)], "loki": [(3100, .tcp)],
    "consul": [(8500, .tcp), (8600, .udp)], "vault": [(8200, .tcp)], "etcd": [(2379, .tcp)],
    "minio": [(9000, .tcp)], "nats": [(4222, .tcp), (8222, .tcp)], "zookeeper": [(2181, .tcp)],
    "kafka": [(9092, .tcp)], "cp-kafka": [(9092, .tcp)], "cp-zookeeper": [(2181, .tcp)],
    "registry": [(5000, .tcp)], "haproxy": [], "mailhog": [(1025, .tcp), (8025, .tcp)],
    "mailpit": [(1025, .tcp), (8025, .tcp)], "ghost": [(2368, .tcp)],
    "gitea": [(3000, .tcp), (22, .tcp)],
    "coredns": [(53, .tcp), (53, .udp)], "bind9": [(53, .tcp), (53, .udp)],
    "couchdb": [(5984, .tcp)], "cassandra": [(9042, .tcp)], "neo4j": [(7474, .tcp), (7687, .tcp)],
    "clickhouse-server": [(8123, .tcp), (9000, .tcp)], "portainer-ce": [(9000, .tcp)],
    "sonarqube": [(9000, .tcp)], "keycloak": [(8080, .tcp)], "cadvisor": [(8080, .tcp)],
    "jaeger": [(16_686, .tcp)], "zipkin": [(9411, .tcp)], "agnhost": [(8080, .tcp)],
    "http-echo": [(5678, .tcp)], "mosquitto": [(1883, .tcp)], "eclipse-mosquitto": [(1883, .tcp)],
  ]
}
