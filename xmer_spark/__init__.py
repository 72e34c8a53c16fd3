"""xmer_spark: entity resolution across images, texts and tables, on Spark and Delta."""
