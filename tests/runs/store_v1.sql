-- A run store as the program's first version wrote it (schema version 1): one run that finished, one whose process was killed after it was asked to stop.
BEGIN TRANSACTION;
CREATE TABLE controls (
    number INTEGER NOT NULL,
    run_id VARCHAR(64) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    created_at FLOAT NOT NULL,
    applied_at FLOAT,
    PRIMARY KEY (number),
    FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "controls" VALUES(1,'20260102-120000-0002','stop',1767268800.25,NULL);
CREATE TABLE log (
    number INTEGER NOT NULL,
    run_id VARCHAR(64) NOT NULL,
    time FLOAT NOT NULL,
    level VARCHAR(16) NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (number),
    FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "log" VALUES(1,'20260101-120000-0001',1767268800.5,'info','started');
INSERT INTO "log" VALUES(2,'20260101-120000-0001',1767268800.75,'info','training starts on cpu: 4 steps');
INSERT INTO "log" VALUES(3,'20260101-120000-0001',1767268801.0,'info','epoch 1: measured, score 0.4');
INSERT INTO "log" VALUES(4,'20260101-120000-0001',1767268801.25,'info','epoch 2: measured, score 0.8');
INSERT INTO "log" VALUES(5,'20260101-120000-0001',1767268801.5,'info','epoch 2: measured test');
INSERT INTO "log" VALUES(6,'20260101-120000-0001',1767268801.75,'info','finished after 4 steps (2 epochs) in 0.5 s');
INSERT INTO "log" VALUES(7,'20260102-120000-0002',1767268802.0,'info','started');
INSERT INTO "log" VALUES(8,'20260102-120000-0002',1767268802.25,'info','training starts on cpu: 4 steps');
INSERT INTO "log" VALUES(9,'20260102-120000-0002',1767268802.5,'info','epoch 1: measured, score 0.4');
CREATE TABLE meta (
    "key" VARCHAR(64) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema_version','1');
CREATE TABLE runs (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id VARCHAR(64) NOT NULL,
    status VARCHAR(16) NOT NULL,
    config TEXT NOT NULL,
    created_at FLOAT NOT NULL,
    started_at FLOAT,
    training_started_at FLOAT,
    finished_at FLOAT,
    step INTEGER NOT NULL,
    steps_total INTEGER,
    epoch FLOAT NOT NULL,
    steps_per_second FLOAT,
    info TEXT NOT NULL,
    failure TEXT,
    device VARCHAR(32),
    owner_host VARCHAR(255),
    owner_pid INTEGER,
    owner_started FLOAT,
    heartbeat_at FLOAT,
    UNIQUE (id)
);
INSERT INTO "runs" VALUES(1,'20260101-120000-0001','finished','{"name": "finished", "data": {"name": "digits"}, "tasks": {"digit": {"loss_weight": 1.0}}, "backbone": {"name": "mlp"}, "sharing": {"name": "hard"}, "balancing": {"name": "fixed"}, "optimizer": {"name": "adamw", "lr": 0.002, "weight_decay": 0.0001, "momentum": 0.9}, "schedule": {"name": "cosine", "warmup_fraction": 0.05}, "augmentation": {"shift": 0, "flip": false, "brightness": 0.0, "contrast": 0.0}, "epochs": 2, "batch_size": 64, "gradient_clip": null, "seed": 0, "device": "cpu", "precision": "auto", "layout": "auto", "probe_samples": 16}',1767268802.75,1767268803.0,1767268803.25,1767268803.5,4,4,2.0,8.0,'{"device": "cpu", "tasks": {"digit": {"main_metric": "accuracy", "metrics": {"accuracy": {"title": "Accuracy", "unit": "", "higher_is_better": true}, "loss": {"title": "Loss", "unit": "", "higher_is_better": false}}}}}',NULL,'cpu','elsewhere',4242,1767268803.75,1767268804.0);
INSERT INTO "runs" VALUES(2,'20260102-120000-0002','stopping','{"name": "cut off", "data": {"name": "digits"}, "tasks": {"digit": {"loss_weight": 1.0}}, "backbone": {"name": "mlp"}, "sharing": {"name": "hard"}, "balancing": {"name": "fixed"}, "optimizer": {"name": "adamw", "lr": 0.002, "weight_decay": 0.0001, "momentum": 0.9}, "schedule": {"name": "cosine", "warmup_fraction": 0.05}, "augmentation": {"shift": 0, "flip": false, "brightness": 0.0, "contrast": 0.0}, "epochs": 2, "batch_size": 64, "gradient_clip": null, "seed": 0, "device": "cpu", "precision": "auto", "layout": "auto", "probe_samples": 16}',1767268804.25,1767268804.5,1767268804.75,NULL,2,4,1.0,NULL,'{"device": "cpu", "tasks": {"digit": {"main_metric": "accuracy", "metrics": {"accuracy": {"title": "Accuracy", "unit": "", "higher_is_better": true}, "loss": {"title": "Loss", "unit": "", "higher_is_better": false}}}}}',NULL,'cpu','elsewhere',4242,1767268805.0,1767268805.25);
CREATE TABLE scalars (
    "row" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    run_id VARCHAR(64) NOT NULL,
    "key" VARCHAR(255) NOT NULL,
    step INTEGER NOT NULL,
    epoch FLOAT NOT NULL,
    value FLOAT,
    wall_time FLOAT NOT NULL,
    created_at FLOAT NOT NULL,
    UNIQUE (run_id, "key", step),
    FOREIGN KEY(run_id) REFERENCES runs (id)
);
INSERT INTO "scalars" VALUES(1,'20260101-120000-0001','train/digit/loss',2,1.0,1.0,9.75,1767268805.5);
INSERT INTO "scalars" VALUES(2,'20260101-120000-0001','optimizer/lr',2,1.0,0.002,10.0,1767268805.75);
INSERT INTO "scalars" VALUES(3,'20260101-120000-0001','val/digit/loss',2,1.0,0.5,10.25,1767268806.0);
INSERT INTO "scalars" VALUES(4,'20260101-120000-0001','val/digit/accuracy',2,1.0,0.4,10.5,1767268806.25);
INSERT INTO "scalars" VALUES(5,'20260101-120000-0001','selection/score',2,1.0,0.4,10.75,1767268806.5);
INSERT INTO "scalars" VALUES(6,'20260101-120000-0001','train/digit/loss',4,2.0,0.5,11.0,1767268806.75);
INSERT INTO "scalars" VALUES(7,'20260101-120000-0001','optimizer/lr',4,2.0,0.002,11.25,1767268807.0);
INSERT INTO "scalars" VALUES(8,'20260101-120000-0001','val/digit/loss',4,2.0,0.25,11.5,1767268807.25);
INSERT INTO "scalars" VALUES(9,'20260101-120000-0001','val/digit/accuracy',4,2.0,0.8,11.75,1767268807.5);
INSERT INTO "scalars" VALUES(10,'20260101-120000-0001','selection/score',4,2.0,0.8,12.0,1767268807.75);
INSERT INTO "scalars" VALUES(11,'20260101-120000-0001','test/digit/accuracy',4,2.0,0.75,12.25,1767268808.0);
INSERT INTO "scalars" VALUES(12,'20260101-120000-0001','test/digit/loss',4,2.0,NULL,12.5,1767268808.25);
INSERT INTO "scalars" VALUES(13,'20260102-120000-0002','train/digit/loss',2,1.0,1.0,12.75,1767268808.5);
INSERT INTO "scalars" VALUES(14,'20260102-120000-0002','optimizer/lr',2,1.0,0.002,13.0,1767268808.75);
INSERT INTO "scalars" VALUES(15,'20260102-120000-0002','val/digit/loss',2,1.0,0.5,13.25,1767268809.0);
INSERT INTO "scalars" VALUES(16,'20260102-120000-0002','val/digit/accuracy',2,1.0,0.4,13.5,1767268809.25);
INSERT INTO "scalars" VALUES(17,'20260102-120000-0002','selection/score',2,1.0,0.4,13.75,1767268809.5);
CREATE INDEX ix_runs_status ON runs (status);
CREATE INDEX scalars_by_row ON scalars (run_id, "row");
CREATE INDEX ix_log_run_id ON log (run_id);
CREATE INDEX ix_controls_run_id ON controls (run_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runs',2);
INSERT INTO "sqlite_sequence" VALUES('scalars',17);
COMMIT;
